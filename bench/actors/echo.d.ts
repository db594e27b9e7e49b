export declare class Echo {
  echo<T>(value: T): T;
  fail(): never;
}
export declare class AsyncEcho {
  echo<T>(value: T): Promise<T>;
}
