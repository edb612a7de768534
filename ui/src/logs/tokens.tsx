// Token bars: where a request's tokens came from, at their size.
import type { Row } from '../api'
import { count, percent } from '../format'
import { allParts, promptParts } from '../usage'

// In the table: the number, and under it the prompt by price class.
export function ReadBar({ row }: { row: Row }) {
  const parts = promptParts(row).filter((part) => part.tokens > 0)
  const read = row.cache_read_input_tokens
  const share = row.prompt_tokens > 0 ? read / row.prompt_tokens : 0
  return (
    <span class="readbar" title={parts.map((part) => `${part.label}: ${count(part.tokens)}`).join('\n')}>
      <span class="readbar-text">
        {read > 0 ? count(read) : <span class="faint">0</span>}
        <span class="readbar-share">{read > 0 ? percent(share, 0) : ''}</span>
      </span>
      <span class="tokenbar thin" aria-hidden="true">
        {parts.map((part) => (
          <i key={part.kind} data-kind={part.kind} style={{ flexGrow: part.tokens }} />
        ))}
      </span>
    </span>
  )
}

// In the drawer: one bar with a legend.
export function TokenBreakdown({ row }: { row: Row }) {
  const parts = allParts(row)
  const total = parts.reduce((sum, part) => sum + part.tokens, 0)
  if (total === 0) return <p class="muted">No usage was reported.</p>
  return (
    <div class="tokens">
      <div class="tokenbar" aria-hidden="true">
        {parts
          .filter((part) => part.tokens > 0)
          .map((part) => (
            <i key={part.kind} data-kind={part.kind} style={{ flexGrow: part.tokens }} />
          ))}
      </div>
      <ul class="legend">
        {parts.map((part) => (
          <li key={part.kind} data-empty={part.tokens === 0}>
            <i class="swatch" data-kind={part.kind} aria-hidden="true" />
            <span>{part.label}</span>
            <b>{count(part.tokens)}</b>
          </li>
        ))}
      </ul>
      {row.estimated && <p class="muted note">The stream was cut: output tokens are estimated.</p>}
    </div>
  )
}

// What the router believed of the cache, and what the provider then billed.
export function Prediction({ row }: { row: Row }) {
  const predicted = row.predicted_cache_read_tokens
  const real = row.cache_read_input_tokens
  const most = Math.max(predicted, real, 1)
  const off = real - predicted
  const near = Math.abs(off) <= Math.max(64, 0.02 * most)
  const verdict = near
    ? predicted === 0 && real === 0
      ? 'Nothing was expected to be warm, and nothing was.'
      : 'As predicted.'
    : off < 0
      ? `${count(-off)} fewer than predicted: the entry was gone, or not yet readable.`
      : `${count(off)} more than predicted: warmth that the gateway did not know of.`
  return (
    <div class="prediction">
      <dl>
        <div>
          <dt>Predicted</dt>
          <dd>
            <Measure value={predicted} most={most} kind="predicted" />
          </dd>
        </div>
        <div>
          <dt>Read</dt>
          <dd>
            <Measure value={real} most={most} kind="read" />
          </dd>
        </div>
      </dl>
      <p class="note" data-kind={near ? 'good' : off < 0 ? 'bad' : 'good'}>
        {verdict}
      </p>
    </div>
  )
}

function Measure({ value, most, kind }: { value: number; most: number; kind: string }) {
  return (
    <span class="measure">
      <span class="measure-track" aria-hidden="true">
        <i data-kind={kind} style={{ width: `${(100 * value) / most}%` }} />
      </span>
      <b>{count(value)}</b>
    </span>
  )
}
