// Why this deployment: the candidates in the router's order, and what each would have cost.
import type { Candidate, Decision, KeepWarm, RowDetail } from '../api'
import { count, duration, money, plural } from '../format'
import { ModelId } from '../parts/chip'

const REASONS: Record<string, string> = {
  cache: 'holds the longest warm prefix',
  cache_writing: 'is writing this prefix right now',
  session: 'served this session before',
  caller: 'served this key before',
  strategy: 'next by weight and load',
  only: 'the only candidate',
  exact: 'named by the client',
  cooling: 'skipped: cooling down',
  full: 'skipped: its limits are reached',
  blocked: 'skipped: switched off',
  context: 'skipped: the prompt is too long for it',
  order: 'behind: a lower order is available',
  tried: 'skipped: already failed for this request',
}

export function reasonText(reason: string): string {
  return REASONS[reason.toLowerCase().replace(/[-\s]+/g, '_')] ?? reason
}

// Nothing is said where all is as it should be.
function share(value: number | undefined, text: (percent: number) => string) {
  return value === undefined || value > 0.995 ? '' : text(Math.round(value * 100))
}

// Weighted with the odds that what is believed to be cached is there.
function costOf(candidate: Candidate): string {
  const cost = candidate.expected_cost ?? candidate.predicted_cost
  return cost == null ? '' : money(cost)
}

// A renewal has no candidates: it goes where the entry is.
function Renewal({ renewal }: { renewal: KeepWarm }) {
  return (
    <p class="note" data-renewal>
      The conversation had been quiet for {duration(renewal.idle_s * 1000)}. Renewing its {count(renewal.tokens)} tokens for another{' '}
      {duration(renewal.ttl_s * 1000)} was expected to cost {money(renewal.expected_price)}; the odds that it comes back in time for this
      renewal alone were {Math.round(renewal.return_odds * 100)} %, the expected gain, what follows included, {money(renewal.expected_gain)}.
    </p>
  )
}

export function Why({ row, decision }: { row: RowDetail; decision: Decision }) {
  const candidates = decision.candidates ?? []
  if (decision.keep_warm) return <Renewal renewal={decision.keep_warm} />
  if (candidates.length === 0) return <p class="muted">No candidates were considered.</p>
  return (
    <>
      <ol class="candidates">
        {candidates.map((candidate) => {
          const chosen = candidate.model_id === row.model_id
          return (
            <li key={candidate.model_id} data-chosen={chosen} data-usable={candidate.usable}>
              <div class="candidate-head">
                <ModelId id={candidate.model_id} copy={false} label />
                {chosen && <span class="tag">{row.completionStartTime ? 'answered' : 'tried last'}</span>}
                <span class="candidate-cost" title="Expected cost of the input">
                  {costOf(candidate)}
                </span>
              </div>
              <p>
                {reasonText(candidate.reason)}
                {candidate.cooling_ms > 0 && `, ${duration(candidate.cooling_ms)} left`}
              </p>
              <p class="muted">
                expected <b>{count(candidate.predicted_read)}</b> read, {count(candidate.predicted_write)} written,{' '}
                {count(candidate.predicted_uncached)} uncached
                {share(candidate.confidence, (percent) => `, ${percent} % sure`)}
                {share(candidate.headroom, (percent) => `; ${percent} % of its limits left`)}
                {candidate.in_flight > 0 && `; ${candidate.in_flight} in flight`}
              </p>
            </li>
          )
        })}
      </ol>
      {(decision.waited_ms ?? 0) > 0 && (
        <p class="note">
          Waited {duration(decision.waited_ms ?? 0)} for another request that was writing the same prefix, to read it instead.
        </p>
      )}
      {decision.blocks !== undefined && (
        <p class="muted note">
          The prompt: {plural(decision.blocks, 'block')}, {plural(decision.breakpoints, 'cache breakpoint')}, about{' '}
          {plural(decision.estimated_tokens, 'token')}.
        </p>
      )}
    </>
  )
}
