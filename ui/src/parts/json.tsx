// A JSON value as a tree to fold, or as text.
import { useState } from 'preact/hooks'
import { count } from '../format'
import { CopyButton } from './copy'

// Bodies are stored as text; text that is JSON is shown as what it is.
export function decode(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const text = value.trim()
  if (!/^[[{]/.test(text)) return value
  try {
    return JSON.parse(text)
  } catch {
    return value
  }
}

const MOST_CHILDREN = 200
const LONG_TEXT = 400

function Text({ value }: { value: string }) {
  const [whole, setWhole] = useState(false)
  const shown = whole || value.length <= LONG_TEXT ? value : value.slice(0, LONG_TEXT)
  return (
    <>
      <span class="json-string">{JSON.stringify(shown)}</span>
      {shown.length < value.length && (
        <button type="button" class="linkish" onClick={() => setWhole(true)}>
          {count(value.length - shown.length)} more characters
        </button>
      )}
    </>
  )
}

function Node({ name, value, depth }: { name?: string; value: unknown; depth: number }) {
  const [open, setOpen] = useState(depth < 2)
  const [all, setAll] = useState(false)
  const label = name !== undefined && <span class="json-key">{name}: </span>
  if (value === null || typeof value !== 'object')
    return (
      <div class="json-line">
        {label}
        {typeof value === 'string' ? <Text value={value} /> : <span class="json-value">{String(value)}</span>}
      </div>
    )
  const entries = Object.entries(value)
  const list = Array.isArray(value)
  if (entries.length === 0)
    return (
      <div class="json-line">
        {label}
        <span class="faint">{list ? '[]' : '{}'}</span>
      </div>
    )
  const shown = all ? entries : entries.slice(0, MOST_CHILDREN)
  return (
    <details class="json-node" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {label}
        <span class="faint">{list ? `[${entries.length}]` : `{${entries.length}}`}</span>
      </summary>
      {open && shown.map(([key, child]) => <Node key={key} name={key} value={child} depth={depth + 1} />)}
      {open && shown.length < entries.length && (
        <button type="button" class="linkish" onClick={() => setAll(true)}>
          {count(entries.length - shown.length)} more
        </button>
      )}
    </details>
  )
}

export function JsonView({ title, value }: { title: string; value: unknown }) {
  const [pretty, setPretty] = useState(true)
  const decoded = decode(value)
  const text = typeof decoded === 'string' ? decoded : JSON.stringify(decoded, null, 2)
  const tree = pretty && typeof decoded === 'object'
  return (
    <section class="block" aria-label={title}>
      <header class="block-head">
        <h3>{title}</h3>
        <div class="segmented" role="group" aria-label={`${title}: form`}>
          <button type="button" aria-pressed={pretty} onClick={() => setPretty(true)}>
            Pretty
          </button>
          <button type="button" aria-pressed={!pretty} onClick={() => setPretty(false)}>
            JSON
          </button>
        </div>
        <CopyButton text={text} what={title.toLowerCase()} />
      </header>
      {tree ? (
        <div class="json">
          <Node value={decoded} depth={0} />
        </div>
      ) : (
        <pre class="json" tabIndex={0} aria-label={`${title} as text`}>
          {text}
        </pre>
      )}
    </section>
  )
}
