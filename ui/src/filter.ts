// What the Request Logs page shows, as the address of the page says it. Pure.
import type { Row } from './api'
import { toMs } from './format'

export const RANGES = {
  '15m': { label: 'Last 15 minutes', ms: 15 * 60_000 },
  '1h': { label: 'Last hour', ms: 3_600_000 },
  '6h': { label: 'Last 6 hours', ms: 6 * 3_600_000 },
  '24h': { label: 'Last 24 hours', ms: 24 * 3_600_000 },
  '7d': { label: 'Last 7 days', ms: 7 * 24 * 3_600_000 },
  '30d': { label: 'Last 30 days', ms: 30 * 24 * 3_600_000 },
  all: { label: 'All time', ms: Infinity },
} as const
export type Range = keyof typeof RANGES
export const DEFAULT_RANGE: Range = '24h'

export const TEXT_FIELDS = [
  'model_id',
  'model',
  'status_filter',
  'session_id',
  'request_id',
  'error_code',
  'search',
] as const
export type TextField = (typeof TEXT_FIELDS)[number]

export const SORTS = [
  'startTime',
  'spend',
  'request_duration_ms',
  'ttft_ms',
  'model',
  'total_tokens',
  'cache_read_input_tokens',
] as const
export type Sort = (typeof SORTS)[number]

export interface Filter extends Record<TextField, string> {
  range: Range
  start: number | null // epoch ms, before the end; without an end there is no start
  end: number | null // replaces the range; without a start all that is before it
  sort_by: Sort
  sort_order: 'asc' | 'desc'
}

export const FIELD_LABELS: Record<TextField, string> = {
  model_id: 'Model ID',
  model: 'Model',
  status_filter: 'Status',
  session_id: 'Session',
  request_id: 'Request',
  error_code: 'Error',
  search: 'Search',
}

function time(params: URLSearchParams, name: string): number | null {
  const ms = toMs(params.get(name))
  return Number.isFinite(ms) ? ms : null
}

export function parseFilter(params: URLSearchParams): Filter {
  const range = params.get('range') as Range | null
  const sort = params.get('sort_by') as Sort | null
  const start = time(params, 'start')
  const end = time(params, 'end')
  const custom = end !== null && (start === null || start < end)
  const filter: Filter = {
    range: range !== null && Object.hasOwn(RANGES, range) ? range : DEFAULT_RANGE,
    start: custom ? start : null,
    end: custom ? end : null,
    sort_by: sort !== null && SORTS.includes(sort) ? sort : 'startTime',
    sort_order: params.get('sort_order') === 'asc' ? 'asc' : 'desc',
    model_id: '',
    model: '',
    status_filter: '',
    session_id: '',
    request_id: '',
    error_code: '',
    search: '',
  }
  for (const field of TEXT_FIELDS) filter[field] = params.get(field) ?? ''
  return filter
}

// Only what differs from the default, so that addresses stay short.
export function writeFilter(filter: Filter): URLSearchParams {
  const params = new URLSearchParams()
  if (filter.end !== null) {
    if (filter.start !== null) params.set('start', new Date(filter.start).toISOString())
    params.set('end', new Date(filter.end).toISOString())
  } else if (filter.range !== DEFAULT_RANGE) {
    params.set('range', filter.range)
  }
  for (const field of TEXT_FIELDS) if (filter[field] !== '') params.set(field, filter[field])
  if (filter.sort_by !== 'startTime') params.set('sort_by', filter.sort_by)
  if (filter.sort_order !== 'desc') params.set('sort_order', filter.sort_order)
  return params
}

export function openEnded(filter: Filter): boolean {
  return filter.end === null
}

export function newestFirst(filter: Filter): boolean {
  return filter.sort_by === 'startTime' && filter.sort_order === 'desc'
}

export function oldestFirst(filter: Filter): boolean {
  return filter.sort_by === 'startTime' && filter.sort_order === 'asc'
}

export function startOf(filter: Filter, now: number): number | null {
  if (filter.end !== null) return filter.start
  const { ms } = RANGES[filter.range]
  return ms === Infinity ? null : now - ms
}

// The API's parameters; `now` is when the page was loaded, so that all its pages agree.
export function apiQuery(filter: Filter, now: number): URLSearchParams {
  const query = new URLSearchParams()
  const start = startOf(filter, now)
  if (start !== null) query.set('start_date', new Date(start).toISOString())
  if (filter.end !== null) query.set('end_date', new Date(filter.end).toISOString())
  for (const field of TEXT_FIELDS) if (filter[field] !== '') query.set(field, filter[field])
  return query
}

// A row that arrives live: would the ledger's answer to the same filter hold it? Search is the
// ledger's own; here it looks where a person would.
export function matches(filter: Filter, row: Row): boolean {
  const at = toMs(row.startTime)
  if (filter.start !== null && at < filter.start) return false
  if (filter.end !== null && at >= filter.end) return false
  if (filter.model_id !== '' && row.model_id !== filter.model_id) return false
  if (filter.model !== '' && row.model !== filter.model) return false
  if (filter.status_filter !== '' && row.status !== filter.status_filter) return false
  if (filter.session_id !== '' && row.session_id !== filter.session_id) return false
  if (filter.request_id !== '' && row.request_id !== filter.request_id) return false
  if (filter.error_code !== '' && row.error_code !== filter.error_code) return false
  if (filter.search === '') return true
  const needle = filter.search.toLowerCase()
  return [row.request_id, row.session_id, row.model, row.model_id, row.error_message, row.user_agent].some((text) =>
    (text ?? '').toLowerCase().includes(needle),
  )
}

export function isFiltered(filter: Filter): boolean {
  return TEXT_FIELDS.some((field) => filter[field] !== '')
}
