// The browser of the tests: the system's Chromium, loopback only.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { KEY } from './mock-server.mjs'

const NAMES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

export function launch() {
  const executablePath = NAMES.find((name) => name && existsSync(name))
  if (!executablePath) throw new Error('Chromium is not installed (apt install chromium), or name it in CHROMIUM')
  return chromium.launch({
    executablePath,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
}

// A page of its own context. What the console prints as an error fails the test that asks.
export async function newPage(browser, { width = 1440, height = 900, colorScheme = 'light', ...more } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, timezoneId: 'UTC', ...more })
  const page = await context.newPage()
  page.problems = []
  page.on('pageerror', (error) => page.problems.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) page.problems.push(message.text())
  })
  page.setDefaultTimeout(8000)
  return page
}

export async function signIn(page, url, path = '/ui/') {
  await page.context().addCookies([{ name: 'warmpath_session', value: 'good', url }])
  await page.goto(url + path)
  void KEY
}
