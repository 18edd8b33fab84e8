import type { ComponentChildren } from "preact";

interface ButtonProps {
  /** Names the control for the focus memory. */
  name: string;
  onClick(): void;
  children: ComponentChildren;
  disabled?: boolean;
  class?: string;
  label?: string;
  pressed?: boolean;
  expanded?: boolean;
  controls?: string;
}

/** A button that keeps the focus when it becomes unavailable under the user's finger. */
export function Button(props: ButtonProps) {
  const { name, onClick, children, disabled = false, label } = props;
  return (
    <button
      type="button"
      class={`lrf-button ${props.class ?? ""}`}
      data-focus={name}
      aria-disabled={disabled}
      aria-label={label}
      title={label}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      aria-controls={props.controls}
      onClick={() => {
        if (!disabled) onClick();
      }}
    >
      {children}
    </button>
  );
}
