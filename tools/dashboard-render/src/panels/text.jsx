import { PanelPlugin, renderTextPanelMarkdown, textUtil } from '@grafana/data';

function html({ mode, content = '' }) {
  return mode === 'html'
    ? textUtil.sanitizeTextPanelContent(content)
    : renderTextPanelMarkdown(content);
}

function Text({ options, replaceVariables }) {
  const content = replaceVariables(options.content ?? '', {}, 'html');
  return (
    <div
      className="markdown-html"
      style={{ height: '100%', overflow: 'auto' }}
      dangerouslySetInnerHTML={{ __html: html({ ...options, content }) }}
    />
  );
}

export const text = new PanelPlugin(Text);
