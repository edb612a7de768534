// What the session's previous request left in the cache, what this one read of it, and where the
// two prompts part.
import { useEffect, useState } from 'preact/hooks'
import { api, type Divergence, type Row, type RowDetail } from '../api'
import { count, duration, money, plural, toMs, wholeMs } from '../format'
import { ModelId } from '../parts/chip'
import { promptParts } from '../usage'
import { open } from './state'

const LOOK_BACK = 20 // rows; between two requests of one agent lie those of its subagents
const NEAR_TOKENS = 64

// The newest earlier request of the same agent of the session, to the same model.
function previousOf(row: Row, before: Row[]): Row | null {
  const same = before.filter(
    (other) =>
      other.request_id !== row.request_id &&
      other.status === 'success' &&
      other.call_type === row.call_type &&
      other.model_group === row.model_group &&
      (other.agent_id ?? '') === (row.agent_id ?? ''),
  )
  return same[0] ?? null
}

function usePrevious(row: Row): Row | null | undefined {
  const [found, setFound] = useState<{ id: string; row: Row | null }>()
  useEffect(() => {
    const abort = new AbortController()
    const query = new URLSearchParams({
      session_id: row.session_id,
      end_date: new Date(toMs(row.startTime)).toISOString(),
      page_size: String(LOOK_BACK),
    })
    api
      .logs(query, abort.signal)
      .then((page) => setFound({ id: row.request_id, row: previousOf(row, page.data) }))
      .catch(() => abort.signal.aborted || setFound({ id: row.request_id, row: null }))
    return () => abort.abort()
  }, [row.request_id])
  return found?.id === row.request_id ? found.row : undefined
}

const left = (row: Row): number => row.cache_read_input_tokens + row.cache_creation_input_tokens

// Why less was read than the previous request had left, as far as the two rows tell.
function whyLess(row: Row, previous: Row, divergence: Divergence | undefined): string {
  const gap = toMs(row.startTime) - toMs(previous.startTime)
  if (divergence) return 'The prompt is not the same any more; see below.'
  if (row.model_id !== previous.model_id) return 'It was answered by another deployment, whose cache did not hold it.'
  if (gap >= 3_600_000 || (gap >= 300_000 && previous.cache_creation_1h_input_tokens === 0))
    return `${duration(gap)} had passed: the entry had expired.`
  return 'The deployment is the same and the entry was young: the provider had dropped it, or this prompt is shorter.'
}

function Verdict({ row, previous, divergence }: { row: Row; previous: Row; divergence: Divergence | undefined }) {
  const kept = left(previous)
  if (kept === 0) return <p class="note">The previous request left nothing in the cache.</p>
  const lost = kept - row.cache_read_input_tokens
  if (lost <= NEAR_TOKENS)
    return (
      <p class="note" data-kind="good">
        All {plural(kept, 'token')} that it left in the cache were read again.
      </p>
    )
  return (
    <p class="note" data-kind="bad">
      Of the {count(kept)} tokens that it left in the cache {count(row.cache_read_input_tokens)} were read: {count(lost)} were not.{' '}
      {whyLess(row, previous, divergence)}
    </p>
  )
}

const TIERS: Record<string, string> = { tools: 'tools', system: 'the system prompt', messages: 'the conversation' }

function sharedText({ shared_blocks: blocks, shared_tokens: tokens }: Divergence): string {
  if (blocks === 0) return 'Nothing before it is the same'
  const what = blocks === 1 ? 'The block before it' : `The ${count(blocks)} blocks before it`
  return `${what} (about ${plural(tokens, 'token')}) ${blocks === 1 ? 'is' : 'are'} the same`
}

// The blocks that are the same as a bar, and the first that is not.
function Changed({ divergence }: { divergence: Divergence }) {
  const { index, shared_blocks: same, previous_blocks: all } = divergence
  return (
    <div data-divergence>
      <div class="tokenbar" aria-hidden="true">
        <i data-kind="read" style={{ flexGrow: same }} />
        <i data-kind="predicted" style={{ flexGrow: Math.max(1, all - same) }} />
      </div>
      <p class="note">
        The prefix changed since the session's previous request: block {count(index + 1)}, in {TIERS[divergence.tier] ?? divergence.tier} (
        {divergence.kind.replace('_', ' ')}). {sharedText(divergence)}; the previous request had {plural(all, 'block')}.
      </p>
    </div>
  )
}

function Sides({ row, previous }: { row: Row; previous: Row }) {
  const now = promptParts(row)
  const before = promptParts(previous)
  return (
    <table class="formula">
      <caption class="sr">The previous request and this one</caption>
      <thead>
        <tr>
          <th scope="col">Tokens</th>
          <th scope="col" class="number">
            <button type="button" class="linkish" onClick={() => open(previous.request_id)}>
              {duration(toMs(row.startTime) - toMs(previous.startTime))} before
            </button>
          </th>
          <th scope="col" class="number">
            This
          </th>
        </tr>
      </thead>
      <tbody>
        {now.map((part, index) => (
          <tr key={part.kind}>
            <th scope="row">
              <i class="swatch" data-kind={part.kind} aria-hidden="true" /> {part.label}
            </th>
            <td class="number">{count(before[index]?.tokens)}</td>
            <td class="number">{count(part.tokens)}</td>
          </tr>
        ))}
        <tr>
          <th scope="row">Cost</th>
          <td class="number">{money(previous.spend)}</td>
          <td class="number">{money(row.spend)}</td>
        </tr>
        <tr>
          <th scope="row">First token</th>
          <td class="number">{previous.ttft_ms > 0 ? duration(previous.ttft_ms) : wholeMs(previous.request_duration_ms)}</td>
          <td class="number">{row.ttft_ms > 0 ? duration(row.ttft_ms) : wholeMs(row.request_duration_ms)}</td>
        </tr>
        <tr>
          <th scope="row">Model ID</th>
          <td class="number">
            <ModelId id={previous.model_id} copy={false} />
          </td>
          <td class="number">
            <ModelId id={row.model_id} copy={false} />
          </td>
        </tr>
      </tbody>
    </table>
  )
}

export function Compare({ row }: { row: RowDetail }) {
  const previous = usePrevious(row)
  const divergence = row.decision?.divergence
  return (
    <>
      {previous && <Verdict row={row} previous={previous} divergence={divergence} />}
      {divergence && <Changed divergence={divergence} />}
      {previous && <Sides row={row} previous={previous} />}
      {previous === null && !divergence && <p class="muted">It is the first of its session here.</p>}
      {previous === undefined && <p class="muted">Loading…</p>}
    </>
  )
}
