// The rows of the filter as a file: streamed by the gateway, whatever their number.
import { apiQuery } from '../filter'
import { count } from '../format'
import { Icon } from '../parts/icons'
import { filter, loadedAt, rows } from './state'

const FORMATS = [
  ['csv', 'CSV, for spreadsheets'],
  ['jsonl', 'JSON lines, for scripts'],
] as const

function address(format: string): string {
  const query = apiQuery(filter.value, loadedAt.value)
  query.set('format', format)
  return `/ui/api/export?${query}`
}

export function Export() {
  void rows.version.value
  return (
    <div class="chooser">
      <button type="button" id="export-button" class="icon-button" popovertarget="export" aria-label="Export" title="Export">
        <Icon name="download" />
      </button>
      <div id="export" class="popover menu" popover="auto" role="group" aria-label="Export">
        <p class="menu-note muted">
          {count(rows.length)}
          {rows.capped ? '+' : ''} requests of this filter, newest first
        </p>
        {FORMATS.map(([format, label]) => (
          <a key={format} class="menu-item" href={address(format)} download={`warmpath-requests.${format}`}>
            {label}
          </a>
        ))}
      </div>
    </div>
  )
}
