// The cost as a sum of classes: tokens × price.
import { useEffect, useState } from 'preact/hooks'
import { api, type Prices, type Row } from '../api'
import { count, money } from '../format'
import { allParts, priceOf } from '../usage'

const known = new Map<string, Promise<Prices | null>>()

function pricesOf(modelId: string): Promise<Prices | null> {
  let promise = known.get(modelId)
  if (!promise) {
    promise = api.prices(modelId).catch(() => {
      known.delete(modelId)
      return null
    })
    known.set(modelId, promise)
  }
  return promise
}

function Saved({ row }: { row: Row }) {
  if (!row.saved) return null
  return (
    <p class="note muted">
      {row.saved > 0 ? (
        <>
          Without a prompt cache: {money(row.spend + row.saved)}. Saved <b class="warm">{money(row.saved)}</b>.
        </>
      ) : (
        <>
          {row.call_type === 'keep_warm'
            ? 'A renewal costs; what it saves is counted where the conversation comes back.'
            : `The cache write cost ${money(-row.saved)} more than plain input; the next read earns it back.`}
        </>
      )}
      {(row.kept_warm_saved ?? 0) > 0 && <> Renewals kept its prefix warm: {money(row.kept_warm_saved ?? 0)} of that.</>}
    </p>
  )
}

export function Cost({ row }: { row: Row }) {
  const [prices, setPrices] = useState<Prices | null>(null)
  useEffect(() => {
    let current = true
    setPrices(null)
    if (row.model_id) void pricesOf(row.model_id).then((answer) => current && setPrices(answer))
    return () => {
      current = false
    }
  }, [row.model_id])
  const parts = allParts(row).filter((part) => part.tokens > 0)
  if (parts.length === 0) return <p class="muted">Nothing was billed.</p>
  const sum = prices ? parts.reduce((total, part) => total + part.tokens * priceOf(prices, part.kind), 0) : row.spend
  const moved = Math.abs(sum - row.spend) > 1e-6 + 0.005 * row.spend
  return (
    <>
      <table class="formula">
        <caption class="sr">Cost by kind of token</caption>
        <thead>
          <tr>
            <th scope="col">Tokens</th>
            <th scope="col" class="number">
              Count
            </th>
            <th scope="col" class="number">
              $ per million
            </th>
            <th scope="col" class="number">
              Cost
            </th>
          </tr>
        </thead>
        <tbody>
          {parts.map((part) => (
            <tr key={part.kind}>
              <th scope="row">
                <i class="swatch" data-kind={part.kind} aria-hidden="true" /> {part.label}
              </th>
              <td class="number">{count(part.tokens)}</td>
              <td class="number">{prices ? +(priceOf(prices, part.kind) * 1e6).toPrecision(4) : '–'}</td>
              <td class="number">{prices ? money(part.tokens * priceOf(prices, part.kind)) : '–'}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" colSpan={3}>
              Recorded
            </th>
            <td class="number">{money(row.spend)}</td>
          </tr>
        </tfoot>
      </table>
      {prices && moved && (
        <p class="note muted">At today’s prices this would be {money(sum)}: prices have changed since, or a tier applied.</p>
      )}
      <Saved row={row} />
    </>
  )
}
