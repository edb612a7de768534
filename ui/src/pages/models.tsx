// Models and upstreams: every deployment, its health, and how well its cache is known.
import { useEffect, useState } from 'preact/hooks'
import { ApiError, type Deployment, type Limit } from '../api'
import { compact, count, duration, percent, shortModel } from '../format'
import { ModelId } from '../parts/chip'
import { follow, hrefOf } from '../router'
import { deployments, loadDeployments } from '../session'

const EVERY_MS = 5000

function useDeployments(): { list: Deployment[]; loaded: boolean; error: string } {
  const [error, setError] = useState('')
  const [loaded, setLoaded] = useState(deployments.value.length > 0)
  useEffect(() => {
    let stopped = false
    let timer = 0
    const tick = async () => {
      if (document.visibilityState === 'visible')
        try {
          await loadDeployments()
          if (!stopped) setError('')
        } catch (failure) {
          if (!stopped) setError(failure instanceof ApiError ? failure.message : String(failure))
        }
      if (stopped) return
      setLoaded(true)
      timer = window.setTimeout(() => void tick(), EVERY_MS)
    }
    void tick()
    return () => {
      stopped = true
      window.clearTimeout(timer)
    }
  }, [])
  return { list: deployments.value, loaded, error }
}

function groupsOf(list: Deployment[]): [string, Deployment[]][] {
  const groups = new Map<string, Deployment[]>()
  for (const entry of list) groups.set(entry.model_group, [...(groups.get(entry.model_group) ?? []), entry])
  return [...groups]
}

function Health({ entry }: { entry: Deployment }) {
  if (entry.healthy)
    return (
      <span class="badge" data-kind="good">
        <i class="dot" aria-hidden="true" />
        healthy
      </span>
    )
  return (
    <span class="badge" data-kind="bad" title={entry.cooling_reason}>
      <i class="dot" aria-hidden="true" />
      {entry.cooling_ms > 0 ? `cooling ${duration(entry.cooling_ms)}` : 'off'}
      {entry.cooling_reason && <span class="badge-note">{entry.cooling_reason}</span>}
    </span>
  )
}

function Cache({ entry }: { entry: Deployment }) {
  const all = entry.actual_read + entry.actual_write + entry.actual_uncached
  if (all === 0) return <span class="faint">–</span>
  const parts = [
    ['read', entry.actual_read],
    ['write5m', entry.actual_write],
    ['uncached', entry.actual_uncached],
  ] as const
  return (
    <span class="readbar" title={`${count(entry.actual_read)} read\n${count(entry.actual_write)} written\n${count(entry.actual_uncached)} uncached`}>
      <span class="readbar-text">{percent(entry.actual_read / all)}</span>
      <span class="tokenbar thin" aria-hidden="true">
        {parts.map(([kind, tokens]) => tokens > 0 && <i key={kind} data-kind={kind} style={{ flexGrow: tokens }} />)}
      </span>
    </span>
  )
}

// Predicted against billed cache reads, over all requests.
function Accuracy({ entry }: { entry: Deployment }) {
  if (entry.predicted_read === 0 && entry.actual_read === 0) return <span class="faint">–</span>
  return (
    <span title={`${count(entry.predicted_read)} predicted\n${count(entry.actual_read)} read`}>
      {compact(entry.predicted_read)} <span class="faint">/</span> {compact(entry.actual_read)}
    </span>
  )
}

const ANOMALIES: Record<string, string> = {
  markers_stripped: 'reports neither cache reads nor writes although markers were sent',
  ttl_shortened: 'bills cache writes for 5 m where 1 h was asked for',
  thinking_dropped: 'left out thinking that another account had made',
}

function Anomalies({ names }: { names: string[] }) {
  return (
    <>
      {names.map((name) => (
        <span key={name} class="badge" data-kind="bad" data-anomaly={name} title={ANOMALIES[name] ?? name}>
          {name.replace('_', ' ')}
        </span>
      ))}
    </>
  )
}

// How much of each limit the last minute has used. None set and none told: nothing to show.
function Limits({ list }: { list: Limit[] }) {
  if (list.length === 0)
    return (
      <span class="faint" title="None is configured (rpm, tpm, max_parallel_requests), and the provider told none within the last minute">
        none known
      </span>
    )
  return (
    <span class="limits">
      {list.map(({ kind, source, limit, used }) => (
        <span key={kind + source} class="limit" title={`${count(used)} of ${count(limit)} ${kind}${kind === 'in flight' ? '' : ' per minute'}, ${source === 'provider' ? 'as the provider reports it' : 'as configured'}`}>
          <span>
            {kind} {compact(used)}
            <span class="faint"> / {compact(limit)}</span>
          </span>
          <span class="tokenbar thin" aria-hidden="true">
            <i data-kind={used > 0.9 * limit ? 'full' : 'write5m'} style={{ flexBasis: `${Math.min(100, (100 * used) / limit)}%` }} />
          </span>
        </span>
      ))}
    </span>
  )
}

function Line({ entry, shared }: { entry: Deployment; shared: boolean }) {
  const failures = entry.requests > 0 ? entry.failures / entry.requests : 0
  return (
    <tr>
      <td data-label="Health">
        <Health entry={entry} />
      </td>
      <td data-label="Model ID">
        <ModelId id={entry.model_id} tab />
      </td>
      <td data-label="Upstream">
        <span class="stack">
          <b>{entry.aws_profile_name || entry.credentials || entry.provider}</b>
          <span class="muted ellipsis" title={[entry.model, entry.api_base, entry.credentials].filter(Boolean).join('\n')}>
            {[entry.provider, entry.region, shortModel(entry.model)].filter(Boolean).join(' · ')}
          </span>
        </span>
      </td>
      <td data-label="In flight" class="number">
        {count(entry.in_flight)}
      </td>
      <td data-label="Requests" class="number">
        <a href={hrefOf('', new URLSearchParams({ model_id: entry.model_id }))} onClick={follow} aria-label={`Requests of ${entry.model_id.slice(0, 8)}: ${entry.requests}`}>
          {count(entry.requests)}
        </a>
      </td>
      <td data-label="Failed" class={failures > 0.05 ? 'number bad' : 'number'}>
        {entry.requests > 0 ? percent(failures) : '–'}
      </td>
      <td data-label="First byte" class="number">
        {entry.latency_ms > 0 ? duration(entry.latency_ms) : '–'}
      </td>
      <td data-label="Cache hit" class="number">
        <Cache entry={entry} />
      </td>
      <td data-label="Predicted / read" class="number">
        <Accuracy entry={entry} />
        <Anomalies names={entry.cache_anomalies ?? []} />
      </td>
      <td data-label="Hit odds" class="number">
        {entry.hit_odds === undefined || entry.actual_read + entry.predicted_read === 0 ? <span class="faint">–</span> : percent(entry.hit_odds, 0)}
      </td>
      <td data-label="Entries" class="number">
        {count(entry.cache_entries)}
        {shared && (
          <span class="faint" title="Another deployment here uses the same cache">
            {' '}
            shared
          </span>
        )}
      </td>
      <td data-label="Limits" class="number">
        <Limits list={entry.limits ?? []} />
      </td>
    </tr>
  )
}

const HEADS: [string, string?, boolean?][] = [
  ['Health'],
  ['Model ID'],
  ['Upstream'],
  ['In flight', '', true],
  ['Requests', 'Since the gateway started', true],
  ['Failed', '', true],
  ['First byte', 'Moving average', true],
  ['Cache hit', 'Share of all tokens in that were read from cache', true],
  ['Predicted / read', 'Cache reads as predicted, and as billed', true],
  ['Hit odds', 'How often an entry that was believed to be alive was there', true],
  ['Entries', 'Cache entries believed to be alive', true],
  ['Limits', 'Used of each limit within the last minute', true],
]

function sharesCache(entry: Deployment, list: Deployment[]): boolean {
  return !!entry.cache_domain && list.some((other) => other !== entry && other.cache_domain === entry.cache_domain)
}

function Group({ name, list }: { name: string; list: Deployment[] }) {
  const well = list.filter((entry) => entry.healthy).length
  const id = `group-${name.replace(/\W+/g, '-')}`
  return (
    <section class="panel" aria-labelledby={id}>
      <header class="panel-head">
        <h2 id={id}>{name}</h2>
        <span class={well === list.length ? 'muted' : 'bad'}>
          {well} of {list.length} healthy
        </span>
      </header>
      <div class="scroll-x" tabIndex={0} role="region" aria-labelledby={id}>
        <table class="deployments">
          <colgroup>
            {HEADS.map(([label]) => (
              <col key={label} />
            ))}
          </colgroup>
          <thead>
            <tr>
              {HEADS.map(([label, title, number]) => (
                <th key={label} scope="col" title={title || undefined} class={number ? 'number' : undefined}>
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {list.map((entry) => (
              <Line key={entry.model_id} entry={entry} shared={sharesCache(entry, list)} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

export function ModelsPage() {
  const { list, loaded, error } = useDeployments()
  return (
    <main class="page">
      <h1>Models and upstreams</h1>
      {error && (
        <p class="alert" role="alert">
          {error}
        </p>
      )}
      {groupsOf(list).map(([name, members]) => (
        <Group key={name} name={name} list={members} />
      ))}
      {loaded && list.length === 0 && !error && (
        <div class="empty">
          <h2>No deployments</h2>
          <p class="muted">
            Add one under <code>model_list</code> in the gateway’s configuration.
          </p>
        </div>
      )}
    </main>
  )
}
