// Requests over time, above the table. Dragging over it narrows the page to that time.
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Bucket, Summary } from '../api'
import { startOf } from '../filter'
import { clock, compact, count, day, today } from '../format'
import { dark } from '../parts/media'
import { theme } from '../theme'
import { filter, setWindow, summary } from './state'

const HEIGHT = 92
const MOST_BUCKETS = 400

interface Series {
  width: number // ms of one bucket
  min: number
  max: number
  data: [number[], number[], number[]] // s, success + failure, success
}

// The ledger leaves out what is empty; bars need every bucket.
export function seriesOf(buckets: Bucket[], start: number | null, end: number, bucketMs?: number): Series {
  const sorted = [...buckets].sort((a, b) => a.t - b.t)
  let width = bucketMs ?? Infinity
  for (let i = 1; i < sorted.length && !bucketMs; i++) width = Math.min(width, (sorted[i]?.t ?? 0) - (sorted[i - 1]?.t ?? 0))
  const first = sorted[0]?.t ?? end - 3_600_000
  const from = start ?? first
  if (!Number.isFinite(width) || width <= 0) width = Math.max(1000, (end - from) / 60)
  if ((end - from) / width > MOST_BUCKETS) width = (end - from) / MOST_BUCKETS
  // On the ledger's own raster, so that each of its buckets meets one of ours.
  const base = first - Math.ceil((first - from) / width) * width
  const slots = Math.max(1, Math.ceil((end - base) / width))
  const data: Series['data'] = [[], [], []]
  for (let i = 0; i < slots; i++) {
    data[0].push((base + i * width) / 1000)
    data[1].push(0)
    data[2].push(0)
  }
  for (const bucket of sorted) {
    const slot = Math.floor((bucket.t - base) / width + 0.001)
    if (slot < 0 || slot >= slots) continue
    data[1][slot] = (data[1][slot] ?? 0) + bucket.success + bucket.failure
    data[2][slot] = (data[2][slot] ?? 0) + bucket.success
  }
  return { width, min: base / 1000, max: (base + slots * width) / 1000, data }
}

// A canvas needs colours without var() and light-dark(): an element is asked what they come to.
const probe = document.createElement('i')
probe.hidden = true
document.body.append(probe)
function color(name: string): string {
  probe.style.color = `var(${name})`
  return getComputedStyle(probe).color
}

const DAY_S = 86_400

// Clock times, and the date where a day begins.
function timeLabels(splits: number[]): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0)
  return splits.map((at) => {
    const text = clock(at * 1000, false)
    if (step >= DAY_S || text === '00:00:00') return day(at * 1000)
    return step < 60 ? text : text.slice(0, 5)
  })
}

// Nothing, half and all: three lines are enough to read a bar by.
function countSplits(max: number): number[] {
  const top = Math.ceil(max)
  return top < 2 ? [0, top] : [0, Math.round(top / 2), top]
}

function options(width: number, shown: { current: Series }, tip: (index: number | null, left: number) => void): uPlot.Options {
  const bars = uPlot.paths.bars?.({ align: 1, size: [0.86, 48, 1], radius: 0.12 })
  const axis = (side: 'x' | 'y'): uPlot.Axis => ({
    stroke: () => color('--faint'),
    font: '11px system-ui, sans-serif',
    ticks: { show: false },
    ...(side === 'x'
      ? { grid: { show: false }, size: 22, gap: 5, space: 64, values: (_u, splits) => timeLabels(splits) }
      : {
          grid: { stroke: () => color('--line-soft'), width: 1 },
          size: 38,
          gap: 6,
          splits: (_u, _axis, _min, max) => countSplits(max),
          values: (_u, splits) => splits.map((value) => compact(value)),
        }),
  })
  return {
    width,
    height: HEIGHT,
    padding: [6, 26, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    scales: {
      x: { time: true, range: () => [shown.current.min, shown.current.max] },
      y: { range: (_u, _min, max) => [0, Math.max(1, max || 0)] },
    },
    axes: [axis('x'), axis('y')],
    series: [
      {},
      { ...(bars ? { paths: bars } : {}), fill: () => color('--bad-fill'), width: 0, points: { show: false } },
      { ...(bars ? { paths: bars } : {}), fill: () => color('--bar'), width: 0, points: { show: false } },
    ],
    hooks: {
      setCursor: [
        (u) => {
          const left = u.cursor.left ?? -1
          if (left < 0) return tip(null, 0)
          const at = u.posToVal(left, 'x') * 1000
          const index = Math.floor((at - shown.current.min * 1000) / shown.current.width)
          tip(index, left + u.over.offsetLeft)
        },
      ],
      setSelect: [
        (u) => {
          if (u.select.width < 4) return
          const from = u.posToVal(u.select.left, 'x') * 1000
          const to = u.posToVal(u.select.left + u.select.width, 'x') * 1000
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
          setWindow(from, to)
        },
      ],
    },
  }
}

function tipText(series: Series, index: number): string {
  const from = (series.data[0][index] ?? 0) * 1000
  const all = series.data[1][index] ?? 0
  const bad = all - (series.data[2][index] ?? 0)
  const seconds = series.width < 60_000
  const when = `${day(from)} ${clock(from, false).slice(0, seconds ? 8 : 5)} – ${clock(from + series.width, false).slice(0, seconds ? 8 : 5)}`
  return `${when}   ${count(all)} ${all === 1 ? 'request' : 'requests'}${bad > 0 ? `, ${count(bad)} failed` : ''}`
}

function describe(answer: Summary | null): string {
  if (!answer) return 'Requests over time'
  const { requests, failures } = answer.totals
  return `Requests over time: ${count(requests)}, of which ${count(failures)} failed`
}

export function Histogram() {
  const box = useRef<HTMLDivElement>(null)
  const tip = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot | null>(null)
  const answer = summary.value
  const now = Date.now()
  const start = answer?.since_ms ?? answer?.searched_to_ms ?? startOf(filter.value, now)
  const series = seriesOf(answer?.histogram ?? [], start, filter.value.end ?? now, answer?.bucket_ms)
  const shown = useRef(series)
  shown.current = series

  useEffect(() => {
    const element = box.current
    if (!element) return
    const showTip = (index: number | null, left: number) => {
      const label = tip.current
      if (!label) return
      label.hidden = index === null || index < 0 || index >= shown.current.data[0].length
      if (label.hidden || index === null) return
      label.textContent = tipText(shown.current, index)
      const most = element.clientWidth - label.offsetWidth - 4
      label.style.left = `${Math.max(4, Math.min(most, left - label.offsetWidth / 2))}px`
    }
    const plot = new uPlot(options(Math.max(200, element.clientWidth), shown, showTip), shown.current.data, element)
    chart.current = plot
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) plot.setSize({ width: element.clientWidth, height: HEIGHT })
    })
    observer.observe(element)
    return () => {
      observer.disconnect()
      plot.destroy()
      chart.current = null
    }
  }, [])

  useEffect(() => chart.current?.setData(series.data))
  const look = `${theme.value} ${dark.value}`
  useEffect(() => chart.current?.redraw(false, true), [look])

  return (
    <div class="histogram" role="img" aria-label={describe(answer)}>
      <div ref={box} class="histogram-box" aria-hidden="true" />
      {answer?.since_ms !== undefined && answer.searched_to_ms === undefined && (
        <p class="histogram-since" title="Drawn from the first request on">
          none before {today(answer.since_ms) ? '' : `${day(answer.since_ms)} `}
          {clock(answer.since_ms, false)}
        </p>
      )}
      <div ref={tip} class="histogram-tip" aria-hidden="true" hidden />
    </div>
  )
}
