// The table's columns: what each shows, how wide it is, whether the ledger can sort by it.
import type { ComponentChildren } from 'preact'
import { computed } from '@preact/signals'
import type { Row } from '../api'
import type { Sort } from '../filter'
import { client, clock, compact, count, day, duration, full, money, shortId, shortModel, today, toMs, wholeMs } from '../format'
import { ModelId, StatusBadge } from '../parts/chip'
import { stored } from '../stored'
import { errorName, failed, modelOf } from '../usage'
import { ReadBar } from './tokens'
import { setField } from './state'

export interface Column {
  id: string
  label: string
  title?: string
  width: number // px, at least
  grow?: number
  number?: boolean
  sort?: Sort
  optional?: boolean // not shown until chosen
  cell: (row: Row) => ComponentChildren
}

function Time({ row }: { row: Row }) {
  const ms = toMs(row.startTime)
  return (
    <time title={full(ms)}>
      {!today(ms) && <span class="muted">{day(ms)} </span>}
      {clock(ms, today(ms))}
    </time>
  )
}

function Model({ row }: { row: Row }) {
  const name = modelOf(row)
  const names = [...new Set([name, row.model])].filter(Boolean)
  return (
    <>
      {name ? <span title={names.join('\n')}>{shortModel(name)}</span> : <span class="faint">–</span>}
      {failed(row) && row.prompt_tokens > 0 && <span class="error-code"> {errorName(row)}</span>}
      {!failed(row) && row.call_type === 'count_tokens' && <span class="faint"> count</span>}
      {row.call_type === 'keep_warm' && <span class="faint"> kept warm</span>}
    </>
  )
}

function Session({ row }: { row: Row }) {
  if (!row.session_id) return <span class="faint">–</span>
  return (
    <button
      type="button"
      class="linkish"
      tabIndex={-1}
      title={`Only this session\n${row.session_id}`}
      onClick={(event) => {
        event.stopPropagation()
        setField('session_id', row.session_id)
      }}
    >
      <code>{shortId(row.session_id)}</code>
    </button>
  )
}

const tokens = (value: number) => (value > 0 ? count(value) : <span class="faint">0</span>)
const cost = (value: number) => (value === 0 ? <span class="faint">$0</span> : money(value))

// Of no use where nothing was read and nothing billed: there the error's text takes their place.
export const SPENT = new Set(['prompt', 'completion', 'cache_read', 'cache_creation', 'cost', 'saved', 'total', 'predicted', 'ttft'])

export const COLUMNS: Column[] = [
  { id: 'time', label: 'Time', width: 96, grow: 0.5, sort: 'startTime', cell: (row) => <Time row={row} /> },
  {
    id: 'status',
    label: 'Status',
    width: 54,
    cell: (row) => <StatusBadge failed={failed(row)} code={row.http_status} text={row.error_message} />,
  },
  { id: 'model', label: 'Model', width: 136, grow: 4, sort: 'model', cell: (row) => <Model row={row} /> },
  { id: 'model_id', label: 'Model ID', title: 'The deployment that answered', width: 116, cell: (row) => <ModelId id={row.model_id} /> },
  { id: 'session', label: 'Session', width: 70, cell: (row) => <Session row={row} /> },
  {
    id: 'prompt',
    label: 'Tokens in',
    title: 'Uncached, cache read and cache creation together',
    width: 66,
    grow: 1,
    number: true,
    cell: (row) => tokens(row.prompt_tokens),
  },
  { id: 'completion', label: 'Out', title: 'Tokens out', width: 48, grow: 1, number: true, cell: (row) => tokens(row.completion_tokens) },
  {
    id: 'cache_read',
    label: 'Cache read',
    title: 'Tokens read from the prompt cache, and their share of the prompt',
    width: 108,
    grow: 1,
    number: true,
    sort: 'cache_read_input_tokens',
    cell: (row) => <ReadBar row={row} />,
  },
  {
    id: 'cache_creation',
    label: 'Cache creation',
    title: 'Tokens written to the prompt cache',
    width: 98,
    grow: 1,
    number: true,
    cell: (row) => tokens(row.cache_creation_input_tokens),
  },
  { id: 'cost', label: 'Cost', width: 72, grow: 1, number: true, sort: 'spend', cell: (row) => cost(row.spend) },
  { id: 'ttft', label: 'TTFT', title: 'Time to first token', width: 60, grow: 1, number: true, sort: 'ttft_ms', cell: (row) => (row.ttft_ms > 0 ? duration(row.ttft_ms) : <span class="faint">–</span>) },
  { id: 'duration', label: 'Duration', width: 66, grow: 1, number: true, sort: 'request_duration_ms', cell: (row) => wholeMs(row.request_duration_ms) },
  { id: 'saved', label: 'Saved', title: 'Against the same request without a cache', width: 84, number: true, optional: true, cell: (row) => cost(row.saved) },
  { id: 'total', label: 'Total tokens', width: 98, number: true, sort: 'total_tokens', optional: true, cell: (row) => tokens(row.total_tokens) },
  { id: 'predicted', label: 'Predicted read', width: 108, number: true, optional: true, cell: (row) => tokens(row.predicted_cache_read_tokens) },
  { id: 'overhead', label: 'Overhead', title: 'Time that the gateway itself took', width: 84, number: true, optional: true, cell: (row) => duration(row.overhead_us / 1000) },
  { id: 'retries', label: 'Retries', title: 'Retries + fallbacks', width: 70, number: true, optional: true, cell: (row) => compact(row.attempted_retries + row.attempted_fallbacks) },
  { id: 'provider', label: 'Provider', width: 100, optional: true, cell: (row) => row.custom_llm_provider || '–' },
  { id: 'client', label: 'Client', width: 140, optional: true, cell: (row) => <span title={row.user_agent}>{client(row.user_agent)}</span> },
  { id: 'address', label: 'Address', width: 110, optional: true, cell: (row) => <code>{row.requester_ip_address || '–'}</code> },
  { id: 'request_id', label: 'Request', width: 86, optional: true, cell: (row) => <code title={row.request_id}>{shortId(row.request_id)}</code> },
]

const defaults = COLUMNS.filter((column) => !column.optional).map((column) => column.id)

export const shown = stored<string[]>(
  'columns',
  defaults,
  (value): value is string[] => Array.isArray(value) && value.every((id) => typeof id === 'string'),
)

export const visibleColumns = computed(() => {
  const ids = new Set(shown.value)
  const columns = COLUMNS.filter((column) => ids.has(column.id))
  return columns.length > 0 ? columns : COLUMNS.slice(0, 1)
})

export const template = computed(() =>
  visibleColumns.value
    .map((column) => (column.grow ? `minmax(${column.width}px, ${column.grow}fr)` : `${column.width}px`))
    .join(' '),
)

const GAP_PX = 12
const EDGE_PX = 28

// Below this the table scrolls sideways. Left to itself, a grid would stretch every growing column
// by the widest one's measure.
export const tableWidth = computed(() => {
  const columns = visibleColumns.value
  return columns.reduce((sum, column) => sum + column.width, 0) + GAP_PX * (columns.length - 1) + EDGE_PX
})

export function toggleColumn(id: string): void {
  shown.value = shown.value.includes(id) ? shown.value.filter((other) => other !== id) : [...shown.value, id]
}

export function resetColumns(): void {
  shown.value = defaults
}
