import { defineConfig, type Plugin } from 'vite'

// The first paint waits for the script: the stored theme is set before anything is shown, with
// no inline script (the content security policy allows none).
const renderBlocking: Plugin = {
  name: 'render-blocking',
  transformIndexHtml: {
    order: 'post',
    handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"'),
  },
}

export default defineConfig({
  base: '/ui/',
  esbuild: { legalComments: 'none' },
  plugins: [renderBlocking],
  build: {
    target: 'es2022',
    // Data URLs would need a wider policy, and everything is a few milliseconds away.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
  server: { proxy: { '/ui/api': 'http://127.0.0.1:4000', '/spend': 'http://127.0.0.1:4000', '/model': 'http://127.0.0.1:4000' } },
})
