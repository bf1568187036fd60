import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queryClient } from "./api/query-client.ts";
import { App } from "./app.tsx";
import { KeyboardProvider } from "./keys/keyboard.tsx";
import "./styles/main.css";
import { ToastProvider } from "./ui/toast.tsx";

const root = document.querySelector("#root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <CSPProvider disableStyleElements>
      <QueryClientProvider client={queryClient}>
        <KeyboardProvider>
          <ToastProvider>
            <App />
          </ToastProvider>
        </KeyboardProvider>
      </QueryClientProvider>
    </CSPProvider>
  </StrictMode>,
);
