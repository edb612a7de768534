// One short line about what a key or a button has just done.
import { signal } from '@preact/signals'

const SHOWN_MS = 2200
const line = signal('')
let timer = 0

export function say(text: string): void {
  line.value = text
  window.clearTimeout(timer)
  timer = window.setTimeout(() => (line.value = ''), SHOWN_MS)
}

export function Toast() {
  return (
    <div class="toast" role="status">
      {line.value && <p>{line.value}</p>}
    </div>
  )
}
