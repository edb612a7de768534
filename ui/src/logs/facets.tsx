// What there is to filter by, with counts.
import type { FacetName, FacetValue } from '../api'
import type { TextField } from '../filter'
import { compact, count, shortModel } from '../format'
import { ModelId } from '../parts/chip'
import { errorWords } from '../usage'
import { filter, setField, summary } from './state'

const GROUPS: { name: FacetName; field: TextField; label: string }[] = [
  { name: 'status', field: 'status_filter', label: 'Status' },
  { name: 'model_id', field: 'model_id', label: 'Model ID' },
  { name: 'model', field: 'model', label: 'Model' },
  { name: 'error_code', field: 'error_code', label: 'Error' },
]

function Value({ name, value }: { name: FacetName; value: string }) {
  if (name === 'model_id') return <ModelId id={value} copy={false} label="short" />
  if (name === 'model') return <span title={value}>{shortModel(value)}</span>
  if (name === 'status')
    return (
      <span class="badge" data-kind={value === 'success' ? 'good' : 'bad'}>
        <i class="dot" aria-hidden="true" />
        {value}
      </span>
    )
  return <span title={value}>{errorWords(value)}</span>
}

// The chosen value stays in the list even when nothing matches it any more.
function valuesOf(values: FacetValue[], chosen: string): FacetValue[] {
  const listed = values.filter((entry) => entry.value !== '')
  return chosen !== '' && !listed.some((entry) => entry.value === chosen)
    ? [{ value: chosen, count: 0 }, ...listed]
    : listed
}

export function Facets() {
  const facets = summary.value?.facets
  return (
    <div class="facets">
      {GROUPS.map(({ name, field, label }) => {
        const chosen = filter.value[field]
        const values = valuesOf(facets?.[name] ?? [], chosen)
        if (values.length === 0) return null
        const most = Math.max(1, ...values.map((entry) => entry.count))
        return (
          <section key={name} aria-labelledby={`facet-${name}`}>
            <h2 id={`facet-${name}`}>{label}</h2>
            <ul>
              {values.map((entry) => (
                <li key={entry.value}>
                  <button
                    type="button"
                    class="facet"
                    aria-pressed={entry.value === chosen}
                    onClick={() => setField(field, entry.value === chosen ? '' : entry.value)}
                  >
                    <i class="facet-fill" aria-hidden="true" style={{ width: `${(100 * entry.count) / most}%` }} />
                    <span class="facet-name">
                      <Value name={name} value={entry.value} />
                    </span>
                    <span class="facet-count" title={count(entry.count)}>
                      {compact(entry.count)}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )
      })}
    </div>
  )
}
