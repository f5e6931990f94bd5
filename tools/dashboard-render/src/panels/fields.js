// The properties that fields have in one kind of panel only, with what they are when nothing is said.
import { identityOverrideProcessor } from '@grafana/data';

const nothing = () => null;

export function customFields(defaults) {
  return (builder) => {
    for (const [path, defaultValue] of Object.entries(defaults)) {
      builder.addCustomEditor({
        id: path,
        path,
        name: path,
        defaultValue,
        editor: nothing,
        override: nothing,
        process: identityOverrideProcessor,
        shouldApply: () => true,
      });
    }
  };
}
