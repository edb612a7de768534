// Numbers, times and names as the console writes them. Pure.

const integer = new Intl.NumberFormat('en-US')

export function count(value: number | null | undefined): string {
  return value == null || !Number.isFinite(value) ? '–' : integer.format(Math.round(value))
}

// "1 block", "2 blocks"
export function plural(value: number | null | undefined, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

// 999, 12.3K, 4.56M: three significant digits.
export function compact(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return '–'
  const units = ['', 'K', 'M', 'B', 'T']
  let unit = 0
  let scaled = Math.abs(value)
  // 999,500 would print as 1000K
  while (unit < units.length - 1 && scaled >= (unit === 0 ? 1000 : 999.5)) {
    scaled /= 1000
    unit++
  }
  const digits = unit === 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2
  return `${value < 0 ? '−' : ''}${scaled.toFixed(digits)}${units[unit]}`
}

// Small amounts keep their digits: most requests cost less than a cent.
export function money(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  const sign = value < 0 ? '−' : ''
  if (size === 0) return '$0'
  if (size < 0.000001) return `${sign}<$0.000001`
  if (size >= 1000) return `${sign}$${integer.format(Math.round(size))}`
  return `${sign}$${size.toFixed(size >= 1 ? 2 : size >= 0.1 ? 3 : size >= 0.001 ? 4 : 6)}`
}

export function duration(ms: number | null | undefined): string {
  if (ms == null || !Number.isFinite(ms)) return '–'
  if (ms < 1) return `${Math.max(0, ms).toFixed(2)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')} m`
}

// The ledger's durations are whole milliseconds: 0 is less than half of one.
export function wholeMs(ms: number | null | undefined): string {
  return ms === 0 ? '<1 ms' : duration(ms)
}

export function percent(ratio: number | null | undefined, digits = 1): string {
  if (ratio == null || !Number.isFinite(ratio)) return '–'
  const value = ratio * 100
  // Never round a few failures away to 0 %, nor a miss to 100 %.
  if (value > 0 && value < 0.1) return '<0.1%'
  if (value < 100 && value > 99.9 && digits > 0) return '>99.9%'
  if (value < 100 && digits === 0) return `${Math.min(99, Math.round(value))}%`
  return `${value.toFixed(value === 0 || value === 100 ? 0 : digits)}%`
}

// ISO text, with or without a zone (LiteLLM writes UTC without one), or epoch milliseconds.
export function toMs(time: string | number | null | undefined): number {
  if (time == null || time === '') return NaN
  if (typeof time === 'number') return time
  const text = time.includes('T') ? time : time.replace(' ', 'T')
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
}

const pad = (value: number, width = 2): string => String(value).padStart(width, '0')

export function clock(ms: number, millis = true): string {
  if (!Number.isFinite(ms)) return '–'
  const d = new Date(ms)
  const text = `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`
  return millis ? `${text}.${pad(d.getMilliseconds(), 3)}` : text
}

const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
export const day = (ms: number): string => (Number.isFinite(ms) ? dayFormat.format(ms) : '–')

export function today(ms: number): boolean {
  return new Date(ms).toDateString() === new Date().toDateString()
}

const fullFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'long' })
export const full = (ms: number): string => (Number.isFinite(ms) ? fullFormat.format(ms) : '–')

export function shortId(id: string): string {
  return id.length > 12 ? id.slice(0, 8) : id
}

// us.anthropic.claude-sonnet-4-5-20250929-v1:0 → claude-sonnet-4-5
export function shortModel(model: string): string {
  const base = model.slice(model.lastIndexOf('/') + 1)
  return (
    base
      .replace(/^(?:(?:us|eu|apac|jp|au|ca|us-gov|global)\.)?(?:anthropic|amazon|meta|mistral|openai)\./, '')
      .replace(/-v\d+(?::\d+)?$/, '')
      .replace(/[-@]20\d{6}$/, '') || model
  )
}

// claude-cli/2.1.197 (external, cli) → claude-cli 2.1.197
export function client(userAgent: string): string {
  const first = /^([^\s/]+)\/([^\s]+)/.exec(userAgent)
  return first ? `${first[1]} ${first[2]}` : userAgent || '–'
}
