// The console in headless Chromium over made-up rows: what a person does, in both themes.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { brotliCompressSync } from 'node:zlib'
import { launch, newPage, signIn } from './browser.mjs'
import { KEY, startMock } from './mock-server.mjs'

const AXE = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
const BUDGET = 120 * 1024
const rowsOf = (page) => page.locator('[data-id]')
let browser

before(async () => {
  browser = await launch()
})
after(() => browser.close())

// A mock and a page for one test; what the page reports as an error fails it.
async function open(t, { mock: mockOptions = {}, page: pageOptions = {}, path = '/ui/', signedIn = true } = {}) {
  const mock = await startMock(mockOptions)
  const page = await newPage(browser, pageOptions)
  t.after(async () => {
    await page.context().close()
    await mock.close()
  })
  if (signedIn) await signIn(page, mock.url, path)
  else await page.goto(mock.url + path)
  return { mock, page }
}

test('sign-in refuses a wrong key in words, takes the right one, and signs out', async (t) => {
  const { page } = await open(t, { signedIn: false })
  await page.fill('input[type=password]', 'sk-wrong')
  await page.keyboard.press('Enter')
  await page.getByText('That is not the master key').waitFor()
  await page.fill('input[type=password]', KEY)
  await page.keyboard.press('Enter')
  await rowsOf(page).first().waitFor()
  await page.getByRole('button', { name: /sign out/i }).click()
  await page.locator('input[type=password]').waitFor()
  assert.deepEqual(page.problems, [])
})

test('a link with the key in its fragment signs in and forgets it; a wrong one says so', async (t) => {
  const { mock, page } = await open(t, { signedIn: false, path: `/ui/?status_filter=failure#key=${KEY}` })
  await rowsOf(page).first().waitFor()
  assert.equal(page.url(), `${mock.url}/ui/?status_filter=failure`)
  assert.equal(await page.evaluate(() => history.length), 2)
  await page.getByRole('button', { name: /sign out/i }).click()
  await page.locator('input[type=password]').waitFor()
  const other = await open(t, { signedIn: false, path: '/ui/#key=sk-wrong' })
  await other.page.getByText('That is not the master key').waitFor()
  assert.equal(other.page.url(), `${other.mock.url}/ui/`)
  assert.deepEqual([...page.problems, ...other.page.problems], [])
})

test('the strip sets what was read against what was predicted', async (t) => {
  const { page } = await open(t)
  const figure = page.locator('.figure', { hasText: 'Read / predicted' })
  assert.match(await figure.innerText(), /\d+%/)
})

test('rows show model, deployment and cache tokens; opening the page costs few requests', async (t) => {
  const { mock, page } = await open(t)
  await rowsOf(page).first().waitFor()
  const row = mock.state.rows.find((entry) => entry.cache_read_input_tokens > 0)
  const text = await page.locator(`[data-id="${row.request_id}"]`).innerText()
  assert.ok(text.includes(row.cache_read_input_tokens.toLocaleString('en-US')), text)
  assert.ok(text.includes(row.model_id.slice(0, 8)))
  const calls = mock.state.requests.filter((line) => /\/(spend|ui\/api)\//.test(line))
  assert.ok(calls.length <= 6, calls.join('\n'))
  assert.deepEqual(page.problems, [])
})

test('filters live in the URL, and the URL brings them back', async (t) => {
  const { mock, page } = await open(t)
  const failed = mock.state.rows.filter((row) => row.status === 'failure').length
  assert.ok(failed > 0)
  await rowsOf(page).first().waitFor()
  await page.locator('#facets').getByText('failure', { exact: true }).click()
  await page.waitForFunction(() => [...document.querySelectorAll('[data-id]')].every((row) => row.dataset.failed === 'true'))
  assert.match(page.url(), /status/)
  await page.reload()
  await rowsOf(page).first().waitFor()
  assert.ok(await rowsOf(page).evaluateAll((rows) => rows.every((row) => row.dataset.failed === 'true')))
  await page.goBack()
  assert.deepEqual(page.problems, [])
})

test('the drawer shows tokens, cost, attempts and why; the keyboard walks through it', async (t) => {
  const { mock, page } = await open(t)
  await rowsOf(page).first().waitFor()
  const index = mock.state.rows.findIndex((row) => row.status === 'success' && row.cache_read_input_tokens > 0)
  await page.locator(`[data-id="${mock.state.rows[index].request_id}"]`).click()
  const drawer = page.getByRole('dialog')
  for (const title of ['Tokens', 'Attempts', 'Why this deployment', 'Cost']) await drawer.getByRole('region', { name: title }).or(drawer.getByText(title, { exact: true })).first().waitFor()
  await drawer.getByText('holds the longest warm prefix').waitFor()
  const before = page.url()
  await page.keyboard.press('j')
  await page.waitForFunction((url) => location.href !== url, before)
  await page.keyboard.press('Escape')
  await drawer.waitFor({ state: 'detached' })
  assert.deepEqual(page.problems, [])
})

test('a prefix that changed is named by its block', async (t) => {
  const { mock, page } = await open(t)
  await rowsOf(page).first().waitFor()
  const row = mock.state.rows.find((entry) => entry.status === 'success' && entry.cache_read_input_tokens === 0)
  await page.goto(`${mock.url}/ui/?search=${row.request_id}`)
  await page.locator(`[data-id="${row.request_id}"]`).click()
  const text = await page.locator('[data-divergence]').innerText()
  assert.match(text, /block 3, in the system prompt/)
})

test('renewals have a drawer of their own, and the strip sums what they saved', async (t) => {
  const { mock, page } = await open(t)
  await rowsOf(page).first().waitFor()
  const [renewal, back] = mock.state.rows.filter((entry) => entry.status === 'success' && entry.cache_read_input_tokens > 0)
  Object.assign(renewal, { call_type: 'keep_warm', completion_tokens: 0, spend: 0.03, saved: -0.03 })
  back.kept_warm_saved = 1.25
  await page.goto(`${mock.url}/ui/`)
  const figure = page.locator('.figure', { hasText: 'Kept warm' })
  assert.match(await figure.innerText(), /1\.25[^]*0\.03/)
  await page.goto(`${mock.url}/ui/?search=${renewal.request_id}`)
  await page.locator(`[data-id="${renewal.request_id}"]`).click()
  assert.match(await page.locator('[data-renewal]').innerText(), /odds .*31 %/)
  assert.deepEqual(page.problems, [])
})

test('live mode shows a new row without a reload', async (t) => {
  const { mock, page } = await open(t)
  await rowsOf(page).first().waitFor()
  assert.equal(await page.getByRole('button', { name: 'Live' }).getAttribute('aria-pressed'), 'true')
  for (let i = 0; i < 100 && mock.watchers.size === 0; i++) await new Promise((done) => setTimeout(done, 20))
  assert.equal(mock.watchers.size, 1)
  const row = mock.emit()
  await page.locator(`[data-id="${row.request_id}"]`).waitFor()
  assert.deepEqual(page.problems, [])
})

test('a failed row says what went wrong in place of its empty numbers', async (t) => {
  const { mock, page } = await open(t, { path: '/ui/?status_filter=failure' })
  await rowsOf(page).first().waitFor()
  const row = mock.state.rows.find((entry) => entry.status === 'failure' && entry.total_tokens === 0)
  const text = await page.locator(`[data-id="${row.request_id}"] .failure`).innerText()
  assert.ok(text.includes(row.error_message), text)
})

test('c copies the open request as curl, without a key', async (t) => {
  const { mock, page } = await open(t)
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await rowsOf(page).first().waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('c')
  await page.getByText('Copied as curl').waitFor()
  const text = await page.evaluate(() => navigator.clipboard.readText())
  assert.ok(text.startsWith('curl '), text)
  assert.ok(text.includes(`${mock.url}/v1/messages`) && text.includes('$WARMPATH_KEY') && !text.includes(KEY), text)
  assert.deepEqual(page.problems, [])
})

test('a saved view brings its filter back, also after a reload', async (t) => {
  const { page } = await open(t, { path: '/ui/?status_filter=failure&sort_by=spend' })
  await rowsOf(page).first().waitFor()
  await page.click('#views-button')
  await page.fill('#views input', 'What failed')
  await page.keyboard.press('Enter')
  await page.goto(page.url().split('?')[0])
  await rowsOf(page).first().waitFor()
  await page.click('#views-button')
  await page.getByRole('button', { name: 'What failed', exact: true }).click()
  await page.waitForURL(/status_filter=failure/)
  assert.match(page.url(), /sort_by=spend/)
  await page.click('#views-button')
  await page.getByRole('button', { name: 'Delete the view What failed' }).click()
  await page.getByRole('button', { name: 'What failed', exact: true }).waitFor({ state: 'detached' })
  assert.deepEqual(page.problems, [])
})

test('the drawer sets a request against the previous one of its session', async (t) => {
  const { mock, page } = await open(t)
  await rowsOf(page).first().waitFor()
  const usable = (row) => row.status === 'success' && row.call_type === 'anthropic_messages'
  const earlier = (row, at) => mock.state.rows.slice(at + 1).some((other) => usable(other) && other.session_id === row.session_id && other.model_group === row.model_group)
  const row = mock.state.rows.find((entry, at) => usable(entry) && entry.cache_read_input_tokens > 0 && earlier(entry, at))
  await page.goto(`${mock.url}/ui/?open=${row.request_id}`)
  const block = page.getByRole('region', { name: 'Since the session’s previous request' })
  await block.getByText(/that it left in the cache/).waitFor()
  await block.getByRole('button', { name: /before/ }).click()
  await page.waitForFunction((id) => !location.search.includes(id), row.request_id)
  await page.getByText('(hidden, 17 bytes)').waitFor()
  assert.deepEqual(page.problems, [])
})

test('the rows of the filter can be taken away as a file', async (t) => {
  const { mock, page } = await open(t, { path: '/ui/?status_filter=failure' })
  await rowsOf(page).first().waitFor()
  await page.click('#export-button')
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: /JSON lines/ }).click()])
  const lines = readFileSync(await download.path(), 'utf8').split('\n').map((line) => JSON.parse(line))
  assert.equal(download.suggestedFilename(), 'warmpath-requests.jsonl')
  const day = mock.state.rows.filter((row) => row.status === 'failure' && Date.parse(row.startTime) > Date.now() - 86_400_000)
  assert.ok(Math.abs(lines.length - day.length) <= 1 && lines.every((row) => row.status === 'failure'))
})

test('the models page shows how much of each limit is used', async (t) => {
  const { page } = await open(t, { path: '/ui/models' })
  await page.locator('.limit').first().waitFor()
  assert.match(await page.locator('.limit').nth(1).innerText(), /tokens 390K \/ 400K/)
})

test('a session that lapses says so, and goes on where it was', async (t) => {
  const { page } = await open(t, { path: '/ui/?status_filter=failure' })
  await rowsOf(page).first().waitFor()
  await page.context().clearCookies()
  await page.keyboard.press('r')
  await page.getByText('Your session has ended').waitFor()
  await page.fill('input[type=password]', KEY)
  await page.keyboard.press('Enter')
  await rowsOf(page).first().waitFor()
  assert.match(page.url(), /status_filter=failure/)
})

test('an address that is no page says so and leads back', async (t) => {
  const { page } = await open(t, { path: '/ui/nothing' })
  await page.getByText('There is no such page').waitFor()
  await page.getByRole('main').getByRole('link', { name: 'Request logs' }).click()
  await rowsOf(page).first().waitFor()
  assert.deepEqual(page.problems, [])
})

test('no rows yet: the page says how to send the first request', async (t) => {
  const { page } = await open(t, { mock: { rows: 0 } })
  await page.getByText('ANTHROPIC_BASE_URL').first().waitFor()
  assert.deepEqual(page.problems, [])
})

test('a ledger that cannot be read is said, not shown as empty', async (t) => {
  const { mock, page } = await open(t)
  await rowsOf(page).first().waitFor()
  mock.state.fail = 500
  await page.getByRole('button', { name: 'Refresh' }).click()
  await page.getByText(/could not be read/).first().waitFor()
})

test('a search that the ledger stopped says how far it came, and goes on from there', async (t) => {
  const { mock, page } = await open(t, { mock: { rows: 400 }, path: '/ui/?range=all' })
  await rowsOf(page).first().waitFor()
  const wanted = mock.state.rows[310].request_id
  mock.state.searchMost = 150
  await page.getByLabel('Search requests').fill(wanted)
  await page.getByText('Nothing found yet').waitFor()
  const note = page.locator('.searched-to')
  assert.match(await note.innerText(), /Looked through requests back to .*\d\d:\d\d/)
  await note.getByRole('button').click()
  await page.waitForFunction(() => new URLSearchParams(window.location.search).has('end'))
  await page.getByText('Nothing found yet').waitFor() // 300 looked at
  await note.getByRole('button').click()
  await page.locator(`[data-id="${wanted}"]`).waitFor()
  assert.equal(await note.count(), 0, 'all of the rest was looked at')
  assert.match(await page.getByLabel('Time').locator('option:checked').innerText(), /^Before /)
  await page.getByRole('button', { name: 'Clear all' }).click()
  await page.waitForFunction(() => window.location.search === '')
  assert.deepEqual(page.problems, [])
})

test('100,000 rows scroll without filling the page', async (t) => {
  const { page } = await open(t, { mock: { rows: 100_000 } })
  await rowsOf(page).first().waitFor()
  assert.ok((await rowsOf(page).count()) < 300)
  assert.deepEqual(page.problems, [])
})

test('the models page shows health, hit rate and entries', async (t) => {
  const { mock, page } = await open(t, { path: '/ui/models' })
  await page.getByText('Models and upstreams').waitFor()
  await page.getByText(mock.state.rows[0].model_group).first().waitFor()
  await page.getByText(/cooling|rate limited/i).first().waitFor()
  assert.equal(await page.locator('[data-anomaly="ttl_shortened"]').count(), 1)
  assert.deepEqual(page.problems, [])
})

// What is looked at: a path, and what a person does there first.
const PLACES = {
  'request logs': { path: '/ui/' },
  models: { path: '/ui/models' },
  'sign-in': { path: '/ui/', signedIn: false },
  'sign-in, refused': {
    path: '/ui/#key=sk-wrong',
    signedIn: false,
    act: (page) => page.getByText('That is not the master key').waitFor(),
  },
  'a page that is not there': { path: '/ui/nothing' },
  'the drawer': {
    path: '/ui/',
    act: async (page) => {
      await rowsOf(page).first().waitFor()
      await page.keyboard.press('j')
      await page.keyboard.press('Enter')
      await page.getByRole('dialog').getByText('Why this deployment').waitFor()
    },
  },
  'the keys': { path: '/ui/', act: (page) => page.getByRole('button', { name: 'Keys' }).click() },
  'the columns': { path: '/ui/', act: (page) => page.click('#column-button') },
  'no rows': { path: '/ui/', mock: { rows: 0 } },
  'a phone': { path: '/ui/', page: { width: 360, height: 740 } },
}
for (const colorScheme of ['light', 'dark'])
  for (const [name, { path, act, ...more }] of Object.entries(PLACES))
    test(`no serious accessibility problems: ${name}, ${colorScheme}`, async (t) => {
      const { page } = await open(t, { path, ...more, page: { ...more.page, colorScheme, bypassCSP: true } })
      await page.locator('main, [role=main], .logs').first().waitFor()
      await act?.(page)
      await page.waitForTimeout(300)
      await page.evaluate(AXE)
      const found = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa'] }))
      const bad = found.violations.filter((entry) => ['serious', 'critical'].includes(entry.impact))
      assert.deepEqual(bad.map((entry) => `${entry.id}: ${entry.nodes.map((node) => node.target).join(' ')}`), [])
    })

test('a narrow window has no sideways scroll, and views and export are in reach', async (t) => {
  const { page } = await open(t, { page: { width: 360, height: 740 } })
  await rowsOf(page).first().waitFor()
  const [inner, scroll] = await page.evaluate(() => [window.innerWidth, document.documentElement.scrollWidth])
  assert.ok(scroll <= inner, `${scroll} > ${inner}`)
  await page.click('#views-button')
  await page.locator('#views input').waitFor()
  await page.keyboard.press('Escape')
  await page.click('#export-button')
  const box = await page.locator('#export').boundingBox()
  assert.ok(box.x >= 0 && box.x + box.width <= 360, JSON.stringify(box))
})

test('the bundle stays small', () => {
  const dist = new URL('../dist/', import.meta.url)
  const files = [...readdirSync(dist), ...readdirSync(new URL('assets/', dist)).map((name) => `assets/${name}`)]
  const bytes = files.filter((name) => /\.(js|css|html|svg)$/.test(name)).reduce((sum, name) => sum + brotliCompressSync(readFileSync(new URL(name, dist))).length, 0)
  assert.ok(bytes <= BUDGET, `${bytes} bytes of brotli`)
  console.log(`measured the console: ${bytes} bytes of brotli`)
})
