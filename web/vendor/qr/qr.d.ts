/*!
 * Copyright (c) 2023 Paul Miller (paulmillr.com)
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
/** Encodes a text at level "medium", in the smallest version that has room. Returns the rows of modules; true is dark. */
export default function encodeQR(text: string): boolean[][];
