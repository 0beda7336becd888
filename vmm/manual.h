/* SPDX-License-Identifier: Apache-2.0 */
/* nidus.1, made from the option table: `nidus show man`, and `make install`. */
#ifndef NIDUS_MANUAL_H
#define NIDUS_MANUAL_H

#include <stdio.h>

/* Prints the page as roff (man macros). Errors are the stream's. */
void manual_print(FILE *f);

#endif
