import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig } from 'vite';
import react from '@vitejs/plugin-react';

const packages = resolve(import.meta.dirname, 'node_modules');
const outDir = resolve(import.meta.dirname, '../../build/dashboard-render');

// What Grafana's packages fetch by name when it is shown, so that no import leads to it.
const FETCHED = {
  '@grafana/ui/dist/public/img': 'build/img',
  '@fontsource/inter/files/inter-latin-400-normal.woff2': 'fonts/inter/Inter-Regular.woff2',
  '@fontsource/inter/files/inter-latin-500-normal.woff2': 'fonts/inter/Inter-Medium.woff2',
  '@fontsource/inter/files/inter-latin-400-italic.woff2': 'fonts/inter/Inter-Italic.woff2',
  '@fontsource/inter/files/inter-latin-500-italic.woff2': 'fonts/inter/Inter-MediumItalic.woff2',
  '@fontsource/roboto-mono/files/roboto-mono-latin-400-normal.woff2':
    'fonts/roboto/L0xTDF4xlVMF-BfR8bXMIhJHg45mwgGEFl0_3vrtSM1J-gEPT5Ese6hmHSh0mQ.woff2',
};

const fetched = {
  name: 'fetched-by-name',
  closeBundle() {
    for (const [from, to] of Object.entries(FETCHED)) {
      cpSync(resolve(packages, from), resolve(outDir, to), { recursive: true });
    }
    // The time picker shows an icon that the package lacks: the mirror image of one that it has.
    const icons = resolve(outDir, 'build/img/icons/unicons');
    const right = readFileSync(resolve(icons, 'angle-double-right.svg'), 'utf8');
    const left = right.replace('<path', '<path transform="matrix(-1 0 0 1 24 0)"');
    writeFileSync(resolve(icons, 'angle-double-left.svg'), left);
  },
};

export default defineConfig({
  plugins: [react(), fetched],
  resolve: { alias: { 'react-router-dom-v5-compat': 'react-router-dom' } },
  define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}', global: 'window' },
  build: {
    outDir,
    emptyOutDir: true,
    target: 'es2022',
    // Served once, from this machine to itself: time to build matters, size does not.
    minify: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: Infinity,
  },
});
