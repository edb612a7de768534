// Request Logs.
import { useEffect } from 'preact/hooks'
import { narrow } from '../parts/media'
import { count } from '../format'
import { OpenDrawer } from '../logs/drawer'
import { Empty, SearchedTo } from '../logs/empty'
import { Export } from '../logs/export'
import { Facets } from '../logs/facets'
import { Histogram } from '../logs/histogram'
import { onKey } from '../logs/keys'
import { facetsOpen, openId, rows, startLogs } from '../logs/state'
import { Strip } from '../logs/strip'
import { showIndex, Table } from '../logs/table'
import { Chosen, ColumnChooser, FacetToggle, LiveToggle, Refresh, SearchBox, TimeSelect } from '../logs/toolbar'
import { Views } from '../logs/views'

function NewRows() {
  const waiting = rows.pending.value
  return (
    <div class="new-rows" aria-live="polite">
      {waiting > 0 && (
        <button
          type="button"
          onClick={() => {
            rows.release()
            showIndex(0)
          }}
        >
          {count(waiting)} new
        </button>
      )}
    </div>
  )
}

function Main() {
  void rows.version.value
  const empty = (rows.length === 0 && !rows.loading.value) || (rows.error.value !== '' && rows.length === 0)
  return (
    <main class="logs-main">
      <h1 class="sr">Request logs</h1>
      <div class="toolbar">
        <SearchBox />
        <TimeSelect />
        <FacetToggle />
        <span class="spacer" />
        <LiveToggle />
        <Refresh />
        <Views />
        <Export />
        <ColumnChooser />
      </div>
      <Chosen />
      <Strip />
      <Histogram />
      {rows.error.value !== '' && rows.length > 0 && (
        <p class="alert" role="alert">
          {rows.error.value}
        </p>
      )}
      <SearchedTo />
      <div class="table-box">
        <NewRows />
        {empty ? <Empty /> : <Table />}
      </div>
    </main>
  )
}

export function LogsPage() {
  useEffect(startLogs, [])
  useEffect(() => {
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [])
  const covered = narrow.value && openId.value !== ''
  return (
    <div class="logs" data-open={openId.value !== ''} data-facets={facetsOpen.value}>
      <div class="logs-list" {...(covered ? { inert: true } : {})}>
        <aside id="facets" class="facets-box" aria-label="Filters">
          <Facets />
        </aside>
        <Main />
      </div>
      <OpenDrawer />
    </div>
  )
}
