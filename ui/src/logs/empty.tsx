// Nothing to show: the first start, a filter too narrow, or an error.
import { isFiltered, oldestFirst } from '../filter'
import { clock, day, today } from '../format'
import { CopyButton } from '../parts/copy'
import { Icon } from '../parts/icons'
import { session } from '../session'
import { clearFilter, filter, refresh, rows, searchOn, setRange } from './state'

export function ConnectSnippet() {
  const key = session.value?.identity_required ? 'sk-…' : 'anything'
  const lines = [`export ANTHROPIC_BASE_URL=${window.location.origin}`, `export ANTHROPIC_AUTH_TOKEN=${key}`, 'claude']
  return (
    <div class="snippet">
      <pre tabIndex={0} aria-label="Commands">
        {lines.map((line) => (
          <span key={line}>
            <span class="prompt" aria-hidden="true">
              ${' '}
            </span>
            {line}
            {'\n'}
          </span>
        ))}
      </pre>
      <CopyButton text={lines.join('\n')} what="commands" />
    </div>
  )
}

function FirstRun() {
  return (
    <div class="empty">
      <h2>Waiting for the first request</h2>
      <p>Point Claude Code at this gateway:</p>
      <ConnectSnippet />
      <p class="muted">
        {session.value?.identity_required ? 'The token is the gateway’s master key. ' : ''}
        The first call writes the prompt cache; the next ones go to the deployment that holds it. Each appears here.
      </p>
      {filter.value.range !== 'all' && (
        <button type="button" class="button" onClick={() => setRange('all')}>
          Look at all time
        </button>
      )}
    </div>
  )
}

// How far a search came that the ledger stopped, and the way on.
export function SearchedTo() {
  void rows.version.value
  const reached = rows.searchedTo
  if (reached === null) return null
  const upwards = oldestFirst(filter.value)
  return (
    <p class="searched-to" role="status">
      Looked through requests {upwards ? 'up to' : 'back to'} {today(reached) ? '' : `${day(reached)} `}
      {clock(reached, false)}
      <button type="button" class="linkish" onClick={() => searchOn(reached)}>
        {upwards ? 'Search newer requests' : 'Search older requests'}
      </button>
    </p>
  )
}

function NoMatch() {
  if (rows.searchedTo !== null)
    return (
      <div class="empty">
        <h2>Nothing found yet</h2>
        <p class="muted">There are more requests than one search looks through.</p>
      </div>
    )
  return (
    <div class="empty">
      <h2>No request matches</h2>
      <p class="muted">Nothing in this time fits all the filters.</p>
      <div class="empty-buttons">
        <button type="button" class="button primary" onClick={clearFilter}>
          Clear filters
        </button>
        <button type="button" class="button" onClick={() => setRange('all')}>
          Look at all time
        </button>
      </div>
    </div>
  )
}

export function Empty() {
  void rows.version.value
  if (rows.error.value)
    return (
      <div class="empty" role="alert">
        <Icon name="warning" />
        <h2>The log cannot be read</h2>
        <p class="muted">{rows.error.value}</p>
        <button type="button" class="button" onClick={refresh}>
          Try again
        </button>
      </div>
    )
  if (rows.loading.value || rows.length > 0) return null
  return isFiltered(filter.value) || filter.value.end !== null ? <NoMatch /> : <FirstRun />
}
