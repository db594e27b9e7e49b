/** Actors of the bench. Plain JavaScript, as an installed package's would be: a `.ts` thread costs 10 MB more. */

export class Echo {
  echo(value) {
    return value;
  }

  fail() {
    throw new Error('as asked');
  }
}

export class AsyncEcho {
  async echo(value) {
    return value;
  }
}
