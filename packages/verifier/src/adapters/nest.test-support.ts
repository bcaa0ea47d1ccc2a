/** A NestJS application on Express with one route, put together without decorators, which Node does not take. */
import "reflect-metadata";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type CanActivate, Controller, Get, Module, Req, UseGuards } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { KeyedRequest } from "./nest.ts";

export async function nestApp(
  guards: CanActivate[],
  answer: (request: KeyedRequest) => string,
): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  class Ticker {
    ticker(request: KeyedRequest): string {
      return answer(request);
    }
  }
  const { prototype } = Ticker;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, "ticker") as PropertyDescriptor;
  Controller()(Ticker);
  Get("/")(prototype, "ticker", descriptor);
  Req()(prototype, "ticker", 0);
  UseGuards(...guards)(prototype, "ticker", descriptor);
  class App {}
  Module({ controllers: [Ticker] })(App);
  const app = await NestFactory.create(App, { logger: false });
  await app.init();
  return app.getHttpAdapter().getInstance() as (request: IncomingMessage, response: ServerResponse) => void;
}
