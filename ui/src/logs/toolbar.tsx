// Search, time, what is filtered, live, columns.
import { useEffect, useRef, useState } from 'preact/hooks'
import { clock, day, shortId } from '../format'
import { FIELD_LABELS, isFiltered, RANGES, TEXT_FIELDS, type Range } from '../filter'
import { Icon } from '../parts/icons'
import { COLUMNS, resetColumns, shown, toggleColumn } from './columns'
import {
  clearFilter,
  facetsOpen,
  filter,
  livePossible,
  liveState,
  liveWanted,
  refresh,
  setField,
  setLive,
  setRange,
  setWindow,
} from './state'

const SEARCH_DELAY_MS = 250

export function SearchBox() {
  const input = useRef<HTMLInputElement>(null)
  const timer = useRef(0)
  const value = filter.value.search
  useEffect(() => {
    if (input.current && document.activeElement !== input.current) input.current.value = value
  }, [value])
  useEffect(() => () => window.clearTimeout(timer.current), [])
  const later = (text: string) => {
    window.clearTimeout(timer.current)
    timer.current = window.setTimeout(() => setField('search', text.trim(), filter.peek().search !== ''), SEARCH_DELAY_MS)
  }
  return (
    <label class="search">
      <Icon name="search" />
      <span class="sr">Search requests</span>
      <input
        ref={input}
        id="search"
        type="search"
        placeholder="Search model, session, id, error"
        autocomplete="off"
        spellcheck={false}
        defaultValue={value}
        onInput={(event) => later(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur()
          if (event.key === 'Enter') {
            window.clearTimeout(timer.current)
            setField('search', event.currentTarget.value.trim())
          }
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  )
}

const local = (ms: number) => {
  const d = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000)
  return d.toISOString().slice(0, 19)
}

function CustomTime({ onDone }: { onDone: () => void }) {
  const { start, end } = filter.value
  const dialog = useRef<HTMLDialogElement>(null)
  const [error, setError] = useState('')
  useEffect(() => dialog.current?.showModal(), [])
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const data = new FormData(event.currentTarget as HTMLFormElement)
    const from = new Date(String(data.get('from'))).getTime()
    const to = new Date(String(data.get('to'))).getTime()
    if (!(from < to)) return setError('The end must be after the start.')
    setWindow(from, to)
    onDone()
  }
  return (
    <dialog ref={dialog} class="dialog" onClose={onDone} aria-labelledby="custom-time">
      <form onSubmit={submit}>
        <h2 id="custom-time">Time window</h2>
        <label>
          From
          <input name="from" type="datetime-local" step="1" required defaultValue={local(start ?? Date.now() - 3_600_000)} />
        </label>
        <label>
          To
          <input name="to" type="datetime-local" step="1" required defaultValue={local(end ?? Date.now())} />
        </label>
        {error && (
          <p class="field-error" role="alert">
            {error}
          </p>
        )}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="button primary">
            Show
          </button>
        </div>
      </form>
    </dialog>
  )
}

export function TimeSelect() {
  const [custom, setCustom] = useState(false)
  const { range, start, end } = filter.value
  const fixed = end !== null
  return (
    <>
      <label class="select">
        <span class="sr">Time</span>
        <select
          value={fixed ? 'custom' : range}
          onChange={(event) => {
            const { value } = event.currentTarget
            event.currentTarget.value = fixed ? 'custom' : range
            if (value === 'custom' || value === 'choose') setCustom(true)
            else setRange(value as Range)
          }}
        >
          {fixed && (
            <option value="custom">
              {start === null ? `Before ${day(end)} ` : `${day(start)} ${clock(start, false)} – ${day(start) === day(end) ? '' : `${day(end)} `}`}
              {clock(end, false)}
            </option>
          )}
          {Object.entries(RANGES).map(([id, { label }]) => (
            <option key={id} value={id}>
              {label}
            </option>
          ))}
          <option value="choose">Choose…</option>
        </select>
      </label>
      {custom && <CustomTime onDone={() => setCustom(false)} />}
    </>
  )
}

export function Chosen() {
  const current = filter.value
  if (!isFiltered(current) && current.end === null) return null
  const fields = TEXT_FIELDS.filter((field) => current[field] !== '' && field !== 'search')
  return (
    <ul class="chosen" aria-label="Filters">
      {fields.map((field) => (
        <li key={field}>
          <button type="button" class="pill" title={current[field]} onClick={() => setField(field, '')}>
            <span class="muted">{FIELD_LABELS[field]}</span> {field.endsWith('_id') ? shortId(current[field]) : current[field]}
            <Icon name="close" />
            <span class="sr">remove filter</span>
          </button>
        </li>
      ))}
      <li>
        <button type="button" class="linkish" onClick={clearFilter}>
          Clear all
        </button>
      </li>
    </ul>
  )
}

const LIVE_TEXT = { off: 'Live', connecting: 'Live', on: 'Live', lost: 'Reconnecting' }

export function LiveToggle() {
  const on = liveWanted.value && livePossible.value
  const why = livePossible.value
    ? 'New requests appear by themselves (l). Held still while the pointer is over the table.'
    : 'Live needs newest first and no end of the time window.'
  return (
    <button
      type="button"
      class="button live"
      aria-pressed={on}
      data-state={on ? liveState.value : 'off'}
      disabled={!livePossible.value}
      title={why}
      onClick={() => setLive(!liveWanted.value)}
    >
      <i class="dot" aria-hidden="true" />
      {on ? LIVE_TEXT[liveState.value] : 'Live'}
    </button>
  )
}

export function Refresh() {
  return (
    <button type="button" class="icon-button" aria-label="Refresh" title="Refresh (r)" onClick={refresh}>
      <Icon name="refresh" />
    </button>
  )
}

export function FacetToggle() {
  return (
    <button type="button" class="button facet-toggle" aria-expanded={facetsOpen.value} aria-controls="facets" onClick={() => (facetsOpen.value = !facetsOpen.value)}>
      <Icon name="filter" />
      <span class="facet-word">Filters</span>
    </button>
  )
}

// A native popover closes by Esc and by a click elsewhere.
export function ColumnChooser() {
  return (
    <div class="chooser">
      <button type="button" id="column-button" class="icon-button" popovertarget="columns" aria-label="Columns" title="Columns">
        <Icon name="columns" />
      </button>
      <div id="columns" class="popover" popover="auto" role="group" aria-label="Columns">
        {COLUMNS.map((column) => (
          <label key={column.id}>
            <input type="checkbox" checked={shown.value.includes(column.id)} onChange={() => toggleColumn(column.id)} />
            {column.title && column.label.length < 4 ? column.title : column.label}
          </label>
        ))}
        <button type="button" class="linkish" onClick={resetColumns}>
          Reset
        </button>
      </div>
    </div>
  )
}
