import { useEffect, useRef, useState } from 'preact/hooks'
import { api, ApiError } from '../api'
import { Logo } from '../parts/icons'
import { lapsed, linkProblem, loadSession } from '../session'

export function SignIn() {
  const input = useRef<HTMLInputElement>(null)
  const [error, setError] = useState(linkProblem.value)
  const [busy, setBusy] = useState(false)
  useEffect(() => input.current?.focus(), [])
  useEffect(() => {
    if (linkProblem.value) setError(linkProblem.value)
    linkProblem.value = ''
  }, [linkProblem.value])
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const key = input.current?.value.trim() ?? ''
    if (key === '') return setError('Enter the master key.')
    setBusy(true)
    setError('')
    try {
      await api.signIn(key)
      await loadSession()
    } catch (failure) {
      setError(failure instanceof ApiError ? failure.message : String(failure))
      input.current?.select()
    } finally {
      setBusy(false)
    }
  }
  return (
    <main class="signin">
      <form onSubmit={submit} noValidate>
        <p class="brand">
          <Logo /> Warmpath
        </p>
        <h1>Sign in</h1>
        {lapsed.value && <p class="notice">Your session has ended. Sign in again to go on where you were.</p>}
        <label for="key">Master key</label>
        <input
          ref={input}
          id="key"
          name="key"
          type="password"
          autocomplete="current-password"
          placeholder="sk-…"
          spellcheck={false}
          aria-invalid={error !== ''}
          aria-describedby="key-help"
        />
        <p id="key-help" class={error ? 'field-error' : 'muted'} role={error ? 'alert' : undefined}>
          {error || (
            <>
              <code>general_settings.master_key</code> in the gateway’s configuration; the demo prints its key when it starts.
            </>
          )}
        </p>
        <button type="submit" class="button primary" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
    </main>
  )
}
