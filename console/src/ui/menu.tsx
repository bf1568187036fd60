import { Menu as Base } from "@base-ui/react/menu";
import type { ReactElement, ReactNode } from "react";
import { Icon, type IconName } from "./icon.tsx";
import { Key } from "./key.tsx";

export interface MenuItem {
  readonly label: string;
  readonly icon?: IconName;
  readonly keyHint?: string;
  readonly isBad?: boolean;
  readonly isChecked?: boolean;
  readonly disabled?: boolean;
  readonly run: () => void;
}
/** Items of one group stand together, with a line to the next. */
export type MenuGroups = readonly (readonly MenuItem[])[];

export function Menu({
  trigger,
  groups,
  heading,
}: {
  /** A button; it must have words or a label. */
  readonly trigger: ReactElement<Record<string, unknown>>;
  readonly groups: MenuGroups;
  readonly heading?: ReactNode;
}) {
  return (
    <Base.Root modal={false}>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner sideOffset={4} align="end" className="z-50">
          <Base.Popup className="max-h-[70vh] min-w-44 overflow-y-auto rounded-lg bg-raised p-1 shadow-pop">
            {heading === undefined ? null : <div className="label px-2 py-1">{heading}</div>}
            {groups
              .filter((group) => group.length > 0)
              .map((group, i) => (
                <div
                  key={group[0]?.label ?? i}
                  className={i === 0 ? "" : "mt-1 border-t border-line pt-1"}
                  role="presentation"
                >
                  {group.map((item) => (
                    <Entry key={item.label} item={item} />
                  ))}
                </div>
              ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

function Entry({ item }: { readonly item: MenuItem }) {
  const look = item.isBad === true ? "text-bad" : "text-ink";
  return (
    <Base.Item
      onClick={item.run}
      disabled={item.disabled ?? false}
      className={`flex h-7 cursor-pointer items-center gap-2 rounded-md px-2 text-sm select-none data-disabled:opacity-50 data-highlighted:bg-hover ${look}`}
    >
      {item.icon === undefined ? null : <Icon name={item.icon} className="text-faint" />}
      <span className="flex-1">{item.label}</span>
      {item.isChecked === true ? <Icon name="check" className="text-accent-ink" /> : null}
      {item.keyHint === undefined ? null : <Key name={item.keyHint} />}
    </Base.Item>
  );
}
