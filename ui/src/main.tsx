import { signal } from "@preact/signals";
import { render } from "preact";

interface Answer {
  greeting: { id: string; service: string; message: string }[];
}

const answer = signal<Answer | undefined>(undefined);
const problem = signal("");

async function send(): Promise<void> {
  const response = await fetch("/api/greeting").catch(() => undefined);
  answer.value = response?.ok ? await response.json() : undefined;
  problem.value = answer.value ? "" : "The greeting failed.";
}

function App() {
  return (
    <main>
      <h1>Octet</h1>
      <button type="button" onClick={send}>
        Send a greeting
      </button>
      <p role="status">{problem}</p>
      <ol>
        {answer.value?.greeting.map((greeting) => (
          <li key={greeting.id}>
            <bdi>{greeting.service}</bdi>: <bdi>{greeting.message}</bdi>
          </li>
        ))}
      </ol>
    </main>
  );
}

const root = document.getElementById("app");
if (root) render(<App />, root);
