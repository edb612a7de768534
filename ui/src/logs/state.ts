// The Request Logs page's state: filter (from the address), rows, summary, live tail, selection.
import { batch, computed, effect, signal } from '@preact/signals'
import { api, type Row, type Summary } from '../api'
import {
  apiQuery,
  matches,
  newestFirst,
  oldestFirst,
  openEnded,
  parseFilter,
  RANGES,
  startOf,
  writeFilter,
  type Filter,
  type Sort,
  type TextField,
} from '../filter'
import { go, place } from '../router'
import { session } from '../session'
import { stored } from '../stored'
import { Rows } from './rows'

export const rows = new Rows()
export const summary = signal<Summary | null>(null)
export const loadedAt = signal(Date.now())

const query = computed(() => place.value.params.toString())
export const filter = computed<Filter>(() => parseFilter(new URLSearchParams(query.value)))
export const openId = computed(() => place.value.params.get('open') ?? '')
export const liveWanted = computed(() => place.value.params.get('live') !== '0')

// Rows can only be put on top where the top is the newest.
export const livePossible = computed(() => newestFirst(filter.value) && openEnded(filter.value))
export const liveState = signal<'off' | 'connecting' | 'on' | 'lost'>('off')

export const activeId = signal('')
export const hovering = signal(false)
export const scrolled = signal(false)
export const facetsOpen = signal(false)

export const shortcuts = stored('shortcuts', true, (value): value is boolean => typeof value === 'boolean')

// The filter's part of the address; `open` and `live` are kept beside it.
export function showFilter(next: Filter, replace = false): void {
  const params = writeFilter(next)
  if (!liveWanted.value) params.set('live', '0')
  if (openId.value !== '') params.set('open', openId.value)
  go('', params, replace)
}

export function setField(field: TextField, value: string, replace = false): void {
  showFilter({ ...filter.value, [field]: value }, replace)
}

export function setRange(range: keyof typeof RANGES): void {
  showFilter({ ...filter.value, range, start: null, end: null })
}

// Without a start: all that is before the end.
export function setWindow(start: number | null, end: number): void {
  showFilter({ ...filter.value, start: start === null ? null : Math.floor(start), end: Math.ceil(end) })
}

// Goes on with a search that was stopped, from where it had come to.
export function searchOn(reached: number): void {
  if (oldestFirst(filter.value)) setWindow(reached, filter.value.end ?? loadedAt.value)
  else setWindow(startOf(filter.value, loadedAt.value), reached)
}

export function clearFilter(): void {
  showFilter(parseFilter(new URLSearchParams()))
}

// The same column again turns the order round; text starts with a, numbers with the largest.
export function sortBy(sort: Sort): void {
  const current = filter.value
  const first = sort === 'model' ? 'asc' : 'desc'
  const turned = current.sort_order === 'asc' ? 'desc' : 'asc'
  showFilter({ ...current, sort_by: sort, sort_order: current.sort_by === sort ? turned : first })
}

export function open(requestId: string): void {
  const params = new URLSearchParams(place.value.params)
  const replace = params.has('open')
  if (requestId === '') params.delete('open')
  else params.set('open', requestId)
  if (requestId !== '') activeId.value = requestId
  go('', params, replace)
}

export function setLive(on: boolean): void {
  const params = new URLSearchParams(place.value.params)
  if (on) params.delete('live')
  else params.set('live', '0')
  go('', params, true)
}

export function rowOf(requestId: string): Row | undefined {
  const index = rows.indexOf(requestId)
  return index < 0 ? undefined : rows.at(index)
}

let summaryAbort = new AbortController()
export async function loadSummary(): Promise<void> {
  summaryAbort.abort()
  const abort = (summaryAbort = new AbortController())
  try {
    const answer = await api.summary(apiQuery(filter.peek(), Date.now()), abort.signal)
    if (!abort.signal.aborted) summary.value = answer
  } catch {
    // The rows' own request tells what is wrong.
  }
}

export function refresh(): void {
  const now = Date.now()
  loadedAt.value = now
  void rows.reload(filter.peek(), now)
  void loadSummary()
}

// --- live tail ----------------------------------------------------------------------------------

const SUMMARY_EVERY_MS = 3000
let source: EventSource | null = null
let summaryTimer = 0
let wasLost = false

function summarySoon(): void {
  if (summaryTimer !== 0) return
  summaryTimer = window.setTimeout(() => {
    summaryTimer = 0
    void loadSummary()
  }, SUMMARY_EVERY_MS)
}

function arrived(event: MessageEvent<string>): void {
  let all: Row[]
  try {
    all = JSON.parse(event.data) as Row[]
  } catch {
    return
  }
  const mine = all.filter((row) => matches(filter.peek(), row))
  if (mine.length === 0) return
  rows.arrive(mine, hovering.peek() || scrolled.peek())
  if (rows.overgrown) refresh()
  else summarySoon()
}

function connect(): void {
  source = api.live()
  liveState.value = 'connecting'
  source.addEventListener('rows', arrived)
  source.onopen = () => {
    liveState.value = 'on'
    // What was missed while the line was down is only in the ledger.
    if (wasLost) refresh()
    wasLost = false
  }
  source.onerror = () => {
    wasLost = true
    liveState.value = 'lost'
    // The browser reconnects by itself except after a refusal (a lapsed session, too many views).
    if (source?.readyState === EventSource.CLOSED) {
      disconnect()
      liveState.value = 'lost'
      window.setTimeout(() => void retry(), 5000)
    }
  }
}

async function retry(): Promise<void> {
  if (!mounted.peek() || source !== null || !shouldRun.peek()) return
  await api
    .session()
    .then((answer) => {
      session.value = answer
      if (answer.authenticated && source === null && shouldRun.peek()) connect()
    })
    .catch(() => window.setTimeout(() => void retry(), 5000))
}

function disconnect(): void {
  source?.close()
  source = null
  liveState.value = 'off'
}

// A browser has six connections to one host: a hidden tab must not keep one.
const visible = signal(document.visibilityState === 'visible')
document.addEventListener('visibilitychange', () => {
  visible.value = document.visibilityState === 'visible'
})
const mounted = signal(false)
const shouldRun = computed(() => mounted.value && visible.value && liveWanted.value && livePossible.value)

// Starts the page; the answer ends it.
export function startLogs(): () => void {
  batch(() => {
    mounted.value = true
    hovering.value = scrolled.value = false
  })
  const filterKey = computed(() => writeFilter(filter.value).toString())
  const stops = [
    effect(() => {
      void filterKey.value
      refresh()
    }),
    effect(() => {
      if (shouldRun.value) {
        if (source === null) connect()
      } else if (source !== null) {
        disconnect()
        wasLost = true
      }
    }),
    effect(() => {
      if (!hovering.value && !scrolled.value) rows.release()
    }),
  ]
  return () => {
    mounted.value = false
    stops.forEach((stop) => stop())
    disconnect()
    window.clearTimeout(summaryTimer)
    summaryTimer = 0
    wasLost = false
  }
}
