import type { RefObject } from "preact";
import { count } from "../../model/format.ts";
import type { SpanNode } from "../../model/trace-tree.ts";
import { refine } from "../../state/route.ts";
import type { Command } from "./keys.ts";

interface Props {
  run: (command: Command) => void;
  errors: number;
  search: RefObject<HTMLInputElement | null>;
  text: string;
  matches: readonly SpanNode[];
  chosen: SpanNode | undefined;
  /** Moves the focus from the search field to the rows. */
  onLeave: () => void;
}

/** Zoom, search and the next error, above the waterfall. */
export function Tools({ run, errors, search, text, matches, chosen, onLeave }: Props) {
  return (
    <div class="tools">
      <button type="button" onClick={() => run("zoom-in")}>
        Zoom in
      </button>
      <button type="button" onClick={() => run("zoom-out")}>
        Zoom out
      </button>
      <button type="button" onClick={() => run("zoom-reset")}>
        Whole trace
      </button>
      {errors > 0 && (
        <button type="button" onClick={() => run("error")}>
          Next error (e)
        </button>
      )}
      <input
        type="search"
        ref={search}
        aria-label="Find in trace"
        placeholder="find: service, name, tag"
        spellcheck={false}
        value={text}
        onInput={(event) => refine({ find: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === "Enter") run(event.shiftKey ? "previous-match" : "next-match");
          else if (event.key === "Escape") onLeave();
          else return;
          event.preventDefault();
        }}
      />
      <span class="quiet" role="status">
        {text.trim() !== "" && matchText(matches, chosen)}
      </span>
      <span class="quiet hint">
        ↑ ↓ or j k: select · ← →: collapse, expand · + − 0: zoom · /: find, n: next · underline: critical path
      </span>
    </div>
  );
}

function matchText(matches: readonly SpanNode[], chosen: SpanNode | undefined): string {
  if (matches.length === 0) return "no matches";
  const position = chosen ? matches.indexOf(chosen) + 1 : 0;
  return position > 0 ? `${position} of ${matches.length}` : count(matches.length, "match", "matches");
}
