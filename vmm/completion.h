/* SPDX-License-Identifier: Apache-2.0 */
/* Shell completion, made from the option table: `nidus show completion`, and `make install`. */
#ifndef NIDUS_COMPLETION_H
#define NIDUS_COMPLETION_H

#include <stdio.h>

/* Prints the script for bash 4 or later; it needs nothing else. Errors are the stream's. */
void completion_print(FILE *f);

#endif
