// Saved views: a filter, its order and the columns, under a name. They stay in this browser; an
// address does for sharing one.
import { useRef } from 'preact/hooks'
import { writeFilter, parseFilter } from '../filter'
import { Icon } from '../parts/icons'
import { say } from '../parts/toast'
import { stored } from '../stored'
import { shown } from './columns'
import { filter, showFilter } from './state'

interface View {
  name: string
  query: string
  columns: string[]
}

const isView = (value: unknown): value is View =>
  typeof value === 'object' &&
  value !== null &&
  ['name', 'query'].every((key) => typeof (value as Record<string, unknown>)[key] === 'string') &&
  Array.isArray((value as View).columns)

const views = stored<View[]>('views', [], (value): value is View[] => Array.isArray(value) && value.every(isView))

// Questions that an operator asks first.
const STANDARD: [string, string][] = [
  ['Failures', 'status_filter=failure'],
  ['Most expensive', 'sort_by=spend'],
  ['Slowest first token', 'sort_by=ttft_ms'],
  ['Largest cache reads', 'sort_by=cache_read_input_tokens'],
]

function show(query: string, columns?: string[]): void {
  if (columns) shown.value = columns
  showFilter(parseFilter(new URLSearchParams(query)))
  document.getElementById('views')?.hidePopover()
}

function save(name: string): void {
  const view = { name, query: writeFilter(filter.value).toString(), columns: shown.value }
  views.value = [...views.value.filter((other) => other.name !== name), view]
  say(`Saved as “${name}”`)
}

export function Views() {
  const input = useRef<HTMLInputElement>(null)
  const current = writeFilter(filter.value).toString()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const name = input.current?.value.trim() ?? ''
    if (name === '') return
    save(name)
    if (input.current) input.current.value = ''
  }
  return (
    <div class="chooser">
      <button type="button" id="views-button" class="icon-button" popovertarget="views" aria-label="Views" title="Views">
        <Icon name="bookmark" />
      </button>
      <div id="views" class="popover menu" popover="auto" role="group" aria-label="Views">
        {STANDARD.map(([name, query]) => (
          <button type="button" key={name} class="menu-item" aria-current={current === query} onClick={() => show(query)}>
            {name}
          </button>
        ))}
        {views.value.length > 0 && <hr />}
        {views.value.map((view) => (
          <div class="menu-row" key={view.name}>
            <button type="button" class="menu-item ellipsis" aria-current={current === view.query} onClick={() => show(view.query, view.columns)}>
              {view.name}
            </button>
            <button
              type="button"
              class="icon-button"
              aria-label={`Delete the view ${view.name}`}
              title="Delete"
              onClick={() => (views.value = views.value.filter((other) => other !== view))}
            >
              <Icon name="close" />
            </button>
          </div>
        ))}
        <hr />
        <form class="menu-form" onSubmit={submit}>
          <input ref={input} aria-label="Name of the view" placeholder="Save this view as…" maxLength={60} autocomplete="off" />
          <button type="submit" class="button small">
            Save
          </button>
        </form>
      </div>
    </div>
  )
}
