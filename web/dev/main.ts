import { mock } from "./mock.ts";

// `npm run mock`: the stand-in server on the port that `npm run dev` looks for.
const { url } = await mock({
  port: Number(process.env.PORT ?? 8080),
  ...(process.env.MOCK_KEY ? { key: process.env.MOCK_KEY } : {}),
});
process.stdout.write(`A stand-in for foretick serve, with made-up numbers, is at ${url}\n`);
