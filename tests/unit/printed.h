/* SPDX-License-Identifier: Apache-2.0 */
/* What a function prints, as a string. */
#ifndef NIDUS_PRINTED_H
#define NIDUS_PRINTED_H

#include <stdio.h>
#include <string.h>

/* Valid until the next call; empty where it does not fit. */
static inline const char *printed(void (*print)(FILE *f))
{
	static char text[65536];
	FILE *f = fmemopen(text, sizeof(text), "w");

	if (!f)
		return "";
	print(f);
	return fclose(f) == 0 && strlen(text) < sizeof(text) - 1 ? text : "";
}

#endif
