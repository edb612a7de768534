// The virtual table: rows have one height, so what is in view is arithmetic. A grid with one tab
// stop; the active row is told by aria-activedescendant.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { Row } from '../api'
import { clock, compact, day, money, percent, shortModel, today, toMs, wholeMs } from '../format'
import { ModelId, StatusBadge } from '../parts/chip'
import { Icon } from '../parts/icons'
import { narrow } from '../parts/media'
import { errorText, failed, modelOf } from '../usage'
import { SPENT, tableWidth, template, visibleColumns, type Column } from './columns'
import { activeId, filter, hovering, open, openId, rows, scrolled, sortBy } from './state'

const ROW_PX = 33
const CARD_PX = 62
const HEAD_PX = 32
const OVERSCAN = 8
// Beyond about 17 million pixels browsers stop laying out; nobody scrolls that far.
const MOST_ROWS = 250_000

let scrollTo: ((index: number) => void) | null = null
let focusGrid: (() => void) | null = null

export function showIndex(index: number): void {
  scrollTo?.(index)
}
export function focusTable(): void {
  focusGrid?.()
}

// Moves the active row, bringing it into view; with a drawer open, the drawer follows.
export function moveActive(by: number): void {
  const length = Math.min(rows.length, MOST_ROWS)
  if (length === 0) return
  const current = rows.indexOf(activeId.peek())
  const next = current < 0 ? (by > 0 ? 0 : length - 1) : Math.min(length - 1, Math.max(0, current + by))
  showIndex(next)
  unfetched = next
  activateFetched()
}

// The active row may lie on a page that is still being fetched.
let unfetched = -1
function activateFetched(): void {
  const row = unfetched < 0 ? undefined : rows.at(unfetched)
  if (!row) return
  unfetched = -1
  activeId.value = row.request_id
  if (openId.peek() !== '') open(row.request_id)
}

function Head() {
  const { sort_by, sort_order } = filter.value
  return (
    <div class="grid-row grid-head" role="row" aria-rowindex={1}>
      {visibleColumns.value.map((column, index) => {
        const sorted = column.sort === sort_by
        return (
          <div
            key={column.id}
            role="columnheader"
            aria-colindex={index + 1}
            class={column.number ? 'cell number' : 'cell'}
            title={column.title}
            {...(sorted ? { 'aria-sort': sort_order === 'asc' ? ('ascending' as const) : ('descending' as const) } : {})}
          >
            {column.sort ? <SortButton column={column} sorted={sorted} ascending={sort_order === 'asc'} /> : column.label}
          </div>
        )
      })}
    </div>
  )
}

function SortButton({ column, sorted, ascending }: { column: Column; sorted: boolean; ascending: boolean }) {
  return (
    <button type="button" class="sort" data-sorted={sorted} onClick={() => column.sort && sortBy(column.sort)}>
      {column.label}
      <Icon name={sorted && ascending ? 'up' : 'down'} />
    </button>
  )
}

// Two lines for narrow screens: every number of the first glance, none of the columns.
function Card({ row }: { row: Row }) {
  const ms = toMs(row.startTime)
  return (
    <div class="card" role="gridcell" aria-colindex={1}>
      <div>
        <StatusBadge failed={failed(row)} code={row.http_status} />
        <b class="ellipsis">{shortModel(modelOf(row)) || '–'}</b>
        {row.model_id && <ModelId id={row.model_id} copy={false} />}
      </div>
      <div class="muted">
        <time>
          {today(ms) ? '' : `${day(ms)} `}
          {clock(ms, false)}
        </time>
        {failed(row) && row.total_tokens === 0 ? (
          <span class="error-code ellipsis">{errorText(row)}</span>
        ) : (
          <CardFigures row={row} />
        )}
      </div>
    </div>
  )
}

function CardFigures({ row }: { row: Row }) {
  const share = row.prompt_tokens > 0 ? row.cache_read_input_tokens / row.prompt_tokens : 0
  return (
    <>
      <span title="Tokens in and out">
          {compact(row.prompt_tokens)} → {compact(row.completion_tokens)}
        </span>
        <span class="warm">{percent(share, 0)} read</span>
        <span>{money(row.spend)}</span>
        <span>{wholeMs(row.request_duration_ms)}</span>
    </>
  )
}

// From the first column that would be empty to the last of its neighbours that would be, too.
function emptyRun(columns: Column[], row: Row): [number, number] {
  const first = failed(row) && row.total_tokens === 0 ? columns.findIndex((column) => SPENT.has(column.id)) : -1
  if (first < 0) return [-1, -1]
  const after = columns.findIndex((column, index) => index > first && !SPENT.has(column.id))
  return [first, after < 0 ? columns.length : after]
}

function Cells({ row }: { row: Row }) {
  const columns = visibleColumns.value
  const [first, after] = emptyRun(columns, row)
  return (
    <>
      {columns.map((column, index) => {
        if (index === first) return <Failure key="failure" row={row} at={index + 1} span={after - first} />
        if (index > first && index < after) return null
        return (
          <div key={column.id} role="gridcell" aria-colindex={index + 1} class={column.number ? 'cell number' : 'cell'}>
            {column.cell(row)}
          </div>
        )
      })}
    </>
  )
}

function Failure({ row, at, span }: { row: Row; at: number; span: number }) {
  return (
    <div class="cell failure" role="gridcell" aria-colindex={at} aria-colspan={span} style={{ gridColumn: `span ${span}` }} title={row.error_message}>
      <span class="error-code">{errorText(row)}</span>
    </div>
  )
}

function Line({ index, height }: { index: number; height: number }) {
  const row = rows.at(index)
  const style = { transform: `translateY(${index * height}px)`, height: `${height}px` }
  if (!row)
    return (
      <div class="grid-row skeleton" role="row" aria-rowindex={index + 2} style={style}>
        <div role="gridcell" class="cell">
          <span class="sr">Loading</span>
        </div>
      </div>
    )
  const active = activeId.value === row.request_id
  const opened = openId.value === row.request_id
  return (
    <div
      class="grid-row"
      role="row"
      id={`row-${index}`}
      aria-rowindex={index + 2}
      aria-selected={opened}
      data-active={active}
      data-failed={failed(row)}
      data-id={row.request_id}
      style={style}
      onClick={() => {
        if (window.getSelection()?.type === 'Range') return
        open(row.request_id)
      }}
    >
      {narrow.value ? <Card row={row} /> : <Cells row={row} />}
    </div>
  )
}

export function Table() {
  const box = useRef<HTMLDivElement>(null)
  const top = useSignal(0)
  const height = useSignal(600)
  const rowPx = narrow.value ? CARD_PX : ROW_PX
  const headPx = narrow.value ? 0 : HEAD_PX
  void rows.version.value
  const length = Math.min(rows.length, MOST_ROWS)

  // Only a change of the rows in view draws again, not every pixel.
  const firstSeen = useComputed(() => Math.max(0, Math.floor(top.value / (narrow.value ? CARD_PX : ROW_PX))))
  const from = Math.max(0, firstSeen.value - OVERSCAN)
  const to = Math.min(length, firstSeen.value + Math.ceil(height.value / rowPx) + OVERSCAN)

  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const observer = new ResizeObserver(() => (height.value = element.clientHeight))
    observer.observe(element)
    height.value = element.clientHeight
    focusGrid = () => element.focus({ preventScroll: true })
    return () => {
      observer.disconnect()
      focusGrid = scrollTo = null
      hovering.value = scrolled.value = false
    }
  }, [])

  useLayoutEffect(() => {
    scrollTo = (index) => {
      const element = box.current
      if (!element) return
      const y = index * rowPx
      const room = element.clientHeight - headPx
      if (y < element.scrollTop) element.scrollTop = y
      else if (y + rowPx > element.scrollTop + room) element.scrollTop = y + rowPx - room
    }
  }, [rowPx, headPx])

  useEffect(() => {
    rows.want(from, to)
    activateFetched()
  })

  // A new filter begins at its top.
  const filterKey = JSON.stringify(filter.value)
  useEffect(() => {
    if (box.current) box.current.scrollTop = 0
  }, [filterKey])

  const lines = []
  for (let index = from; index < to; index++)
    lines.push(<Line key={rows.at(index)?.request_id ?? `#${index}`} index={index} height={rowPx} />)

  const active = rows.indexOf(activeId.value)
  return (
    <div
      ref={box}
      class="grid"
      role="grid"
      tabIndex={0}
      aria-label="Requests"
      aria-rowcount={rows.capped ? -1 : length + 1}
      aria-colcount={narrow.value ? 1 : visibleColumns.value.length}
      aria-busy={rows.loading.value}
      {...(active >= from && active < to ? { 'aria-activedescendant': `row-${active}` } : {})}
      data-narrow={narrow.value}
      style={{ '--template': template.value, '--table': `${tableWidth.value}px` }}
      onScroll={(event) => {
        top.value = event.currentTarget.scrollTop
        scrolled.value = event.currentTarget.scrollTop > rowPx
      }}
      // A finger does not hover: it would hold the view still for good.
      onPointerEnter={(event) => (hovering.value = event.pointerType === 'mouse')}
      onPointerLeave={() => (hovering.value = false)}
    >
      {!narrow.value && <Head />}
      <div class="grid-body" role="rowgroup" style={{ height: `${length * rowPx}px` }}>
        {lines}
      </div>
    </div>
  )
}

