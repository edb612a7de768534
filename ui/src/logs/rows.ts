// The rows behind the table: pages of the ledger, fetched as they come into view, and above them
// the rows that have arrived since. Never more than a bounded number of pages is held.
import { signal } from '@preact/signals'
import { api, ApiError, type LogPage, type Row } from '../api'
import { apiQuery, newestFirst, openEnded, type Filter } from '../filter'
import { toMs } from '../format'

export const PAGE_SIZE = 100
const PAGES_HELD = 40
const LIVE_HELD = 2000

export class Rows {
  readonly version = signal(0) // counts changes; readers depend on it
  readonly loading = signal(true)
  readonly error = signal('')
  readonly pending = signal(0) // rows that wait while the view is held still
  total = 0
  capped = false
  searchedTo: number | null = null // the ledger stopped a search here

  private filter: Filter | null = null
  private now = 0
  private newest: number | null = null
  private pages = new Map<number, Row[]>()
  private wanted = new Set<number>()
  private fresh: Row[] = []
  private waiting: Row[] = []
  private abort = new AbortController()

  get length(): number {
    return this.fresh.length + this.total
  }

  at(index: number): Row | undefined {
    const fresh = this.fresh.length
    if (index < fresh) return this.fresh[index]
    const page = Math.floor((index - fresh) / PAGE_SIZE)
    return this.pages.get(page)?.[(index - fresh) % PAGE_SIZE]
  }

  indexOf(requestId: string): number {
    const fresh = this.fresh.findIndex((row) => row.request_id === requestId)
    if (fresh >= 0) return fresh
    for (const [page, rows] of this.pages) {
      const at = rows.findIndex((row) => row.request_id === requestId)
      if (at >= 0) return this.fresh.length + page * PAGE_SIZE + at
    }
    return -1
  }

  // Starts over. What was shown stays until the answer is there.
  async reload(filter: Filter, now: number): Promise<void> {
    this.abort.abort()
    const abort = (this.abort = new AbortController())
    this.filter = filter
    this.now = now
    this.newest = null
    this.wanted.clear()
    this.loading.value = true
    this.dropWaiting()
    try {
      const answer = await api.logs(this.query(0), abort.signal)
      if (abort.signal.aborted) return
      this.pages = new Map([[0, answer.data]])
      this.fresh = []
      this.total = answer.total
      this.capped = answer.total_is_capped
      this.searchedTo = null
      this.reach(0, answer)
      // Later pages are asked for up to here: rows that arrive meanwhile must not shift them.
      const first = toMs(answer.data[0]?.startTime)
      if (newestFirst(filter) && openEnded(filter) && Number.isFinite(first)) this.newest = first + 1
      this.error.value = ''
      this.loading.value = false
      this.version.value++
      // Rows that came while the answer was under way and are not in it.
      const missed = this.waiting
      this.waiting = []
      this.arrive(missed, false)
    } catch (error) {
      if (abort.signal.aborted) return
      this.loading.value = false
      this.error.value = error instanceof ApiError ? error.message : String(error)
    }
  }

  // Rows [from, to) are about to be seen.
  want(from: number, to: number): void {
    if (this.loading.value) return
    const fresh = this.fresh.length
    const first = Math.max(0, Math.floor((from - fresh) / PAGE_SIZE))
    const last = Math.floor((Math.max(to, 1) - 1 - fresh) / PAGE_SIZE)
    for (let page = first; page <= last; page++)
      if (page * PAGE_SIZE < this.total && !this.pages.has(page) && !this.wanted.has(page)) void this.fetchPage(page)
    this.forget(first, last)
  }

  // False when the row belongs on top of the view and the view is held still: it waits.
  arrive(rows: Row[], hold: boolean): void {
    const known = new Set([...this.fresh, ...this.waiting].map((row) => row.request_id))
    for (const page of this.pages.values()) for (const row of page) known.add(row.request_id)
    const added = rows.filter((row) => !known.has(row.request_id))
    if (added.length === 0) return
    if (hold || this.loading.value) {
      this.waiting.push(...added)
      // A view left alone for hours starts over instead of keeping everything.
      if (this.waiting.length > LIVE_HELD) this.waiting.splice(0, this.waiting.length - LIVE_HELD)
      this.pending.value = this.loading.value ? 0 : this.waiting.length
    } else {
      this.put(added)
    }
  }

  release(): void {
    if (this.waiting.length === 0) return
    const rows = this.waiting
    this.dropWaiting()
    this.put(rows)
  }

  get overgrown(): boolean {
    return this.fresh.length > LIVE_HELD
  }

  private put(rows: Row[]): void {
    this.fresh = [...rows, ...this.fresh].sort((a, b) => toMs(b.startTime) - toMs(a.startTime))
    this.version.value++
  }

  private dropWaiting(): void {
    this.waiting = []
    this.pending.value = 0
  }

  private query(page: number): URLSearchParams {
    if (this.filter === null) throw new Error('no filter yet')
    const query = apiQuery(this.filter, this.now)
    query.set('page', String(page + 1))
    query.set('page_size', String(PAGE_SIZE))
    query.set('sort_by', this.filter.sort_by)
    query.set('sort_order', this.filter.sort_order)
    if (this.newest !== null) query.set('end_date', new Date(this.newest).toISOString())
    return query
  }

  private async fetchPage(page: number): Promise<void> {
    const { signal } = this.abort
    this.wanted.add(page)
    // A fast scroll passes many pages: only those where it rests are asked for.
    await new Promise((resolve) => setTimeout(resolve, 60))
    if (signal.aborted || !this.wanted.has(page)) return
    try {
      const answer = await api.logs(this.query(page), signal)
      if (signal.aborted) return
      this.pages.set(page, answer.data)
      this.reach(page, answer)
      this.error.value = ''
      this.version.value++
    } catch (error) {
      if (!signal.aborted) this.error.value = error instanceof ApiError ? error.message : String(error)
    } finally {
      if (!signal.aborted) this.wanted.delete(page)
    }
  }

  // The ledger stops counting at its cap, but not answering.
  private reach(page: number, answer: LogPage): void {
    const reached = page * PAGE_SIZE + answer.data.length
    if (answer.data.length === PAGE_SIZE) {
      if (this.capped && reached + PAGE_SIZE > this.total) this.total = reached + PAGE_SIZE
    } else if (page * PAGE_SIZE < this.total || page === 0) {
      this.total = reached
      this.searchedTo = answer.searched_to_ms ?? null
      this.capped = this.searchedTo !== null
    }
  }

  private forget(first: number, last: number): void {
    for (const page of this.wanted) if (page < first - 1 || page > last + 1) this.wanted.delete(page)
    if (this.pages.size <= PAGES_HELD) return
    const far = [...this.pages.keys()].sort((a, b) => Math.abs(b - first) - Math.abs(a - first))
    for (const page of far.slice(0, this.pages.size - PAGES_HELD)) this.pages.delete(page)
  }
}
