// The sums over everything that the filter shows.
import type { ComponentChildren } from 'preact'
import type { Totals } from '../api'
import { compact, count, duration, money, percent } from '../format'
import { summary } from './state'

function Figure({ label, value, note, title, warm }: { label: string; value: ComponentChildren; note?: ComponentChildren; title?: string; warm?: boolean }) {
  return (
    <div class="figure" title={title} data-warm={warm}>
      <dt>{label}</dt>
      <dd>
        <span class="figure-value">{value}</span>
        {note && <span class="figure-note">{note}</span>}
      </dd>
    </div>
  )
}

function CacheBar({ totals }: { totals: Totals }) {
  const parts = [
    ['read', totals.cache_read_input_tokens],
    ['write5m', totals.cache_creation_input_tokens],
    ['uncached', totals.input_tokens],
  ] as const
  return (
    <span class="tokenbar slim" aria-hidden="true">
      {parts.map(([kind, tokens]) => tokens > 0 && <i key={kind} data-kind={kind} style={{ flexGrow: tokens }} />)}
    </span>
  )
}

export function Strip() {
  const totals = summary.value?.totals
  if (!totals) return <dl class="strip" aria-busy="true" />
  const uncachedPrice = totals.spend + totals.saved
  const share = uncachedPrice > 0 ? totals.saved / uncachedPrice : null
  const some = totals.requests > 0
  const predicted = totals.predicted_cache_read_tokens ?? 0
  return (
    <dl class="strip" aria-label="Totals">
      <Figure label="Requests" value={count(totals.requests)} />
      <Figure
        label="Errors"
        value={some ? percent(totals.failures / totals.requests) : '–'}
        note={totals.failures > 0 ? count(totals.failures) : undefined}
      />
      <Figure
        label="Cache hit"
        warm
        value={totals.prompt_tokens > 0 ? percent(totals.cache_hit_ratio) : '–'}
        note={<CacheBar totals={totals} />}
        title={`Of all tokens in:\n${count(totals.cache_read_input_tokens)} read from cache\n${count(totals.cache_creation_input_tokens)} written to it\n${count(totals.input_tokens)} uncached`}
      />
      {predicted > 0 && (
        <Figure
          label="Read / predicted"
          value={percent(totals.cache_read_input_tokens / predicted, 0)}
          note={compact(predicted)}
          title={`The router expected ${count(predicted)} tokens to be read from cache; ${count(totals.cache_read_input_tokens)} were`}
        />
      )}
      <Figure
        label="Saved"
        warm
        value={money(totals.saved)}
        note={share !== null && share > 0 ? percent(share, 0) : undefined}
        title="Against the same requests without a prompt cache, the price of cache writes taken off"
      />
      <Figure label="Cost" value={money(totals.spend)} />
      {(totals.keep_warm_renewals ?? 0) > 0 && (
        <Figure
          label="Kept warm"
          warm
          value={money(totals.keep_warm_saved ?? 0)}
          note={`for ${money(totals.keep_warm_spend ?? 0)}`}
          title={`What ${count(totals.keep_warm_renewals ?? 0)} renewals of cache entries saved the requests that came back to them, and what they cost`}
        />
      )}
      <Figure
        label="Tokens in / out"
        value={
          <>
            {compact(totals.prompt_tokens)}
            <span class="faint"> / </span>
            {compact(totals.completion_tokens)}
          </>
        }
        title={`${count(totals.prompt_tokens)} in, ${count(totals.completion_tokens)} out`}
      />
      <Figure
        label="TTFT p50 / p95"
        value={
          <>
            {totals.ttft_p50_ms > 0 ? duration(totals.ttft_p50_ms) : '–'}
            <span class="faint"> / </span>
            {totals.ttft_p95_ms > 0 ? duration(totals.ttft_p95_ms) : '–'}
          </>
        }
        title="Time to first token"
      />
    </dl>
  )
}
