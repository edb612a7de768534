// The address of the page is its state: a path below /ui/ and a query.
import { signal } from '@preact/signals'

const BASE = '/ui/'

interface Place {
  page: string
  params: URLSearchParams
}

function here(): Place {
  const path = window.location.pathname
  const page = (path.startsWith(BASE) ? path.slice(BASE.length) : '').replace(/\/+$/, '')
  return {
    page: page === 'logs' ? '' : page,
    params: new URLSearchParams(window.location.search),
  }
}

export const place = signal<Place>(here())

// The key of a sign-in link (/ui/#key=…). A fragment never leaves the browser, and goes out of the
// address and the history before anything else happens.
export function takeKey(): string {
  const key = new URLSearchParams(window.location.hash.slice(1)).get('key') ?? ''
  if (key !== '') window.history.replaceState(null, '', window.location.pathname + window.location.search)
  return key
}

window.addEventListener('popstate', () => {
  place.value = here()
})

export function hrefOf(page: string, params?: URLSearchParams): string {
  const query = params?.toString() ?? ''
  return BASE + page + (query === '' ? '' : `?${query}`)
}

export function go(page: string, params: URLSearchParams, replace = false): void {
  const href = hrefOf(page, params)
  if (href !== window.location.pathname + window.location.search)
    window.history[replace ? 'replaceState' : 'pushState'](null, '', href)
  place.value = here()
}

// For links: an ordinary click stays in the page, everything else is the browser's.
export function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return
  const link = event.currentTarget as HTMLAnchorElement
  event.preventDefault()
  const url = new URL(link.href)
  go(url.pathname.slice(BASE.length).replace(/\/+$/, ''), url.searchParams)
}
