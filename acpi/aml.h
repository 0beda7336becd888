/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer of ACPI tables and of the little AML that the SSDT needs. Bytes are appended to one growing buffer; a failed allocation is
 * remembered in the buffer and reported once, by aml_finish(), so that builders need no check per line.
 *
 * Names are AML name segments: four characters, padded with '_' (ACPI 6.4 section 20.2.2). Not thread-safe; one owner per buffer.
 */
#ifndef NIDUS_AML_H
#define NIDUS_AML_H

#include "vmm/bits.h"

#define ACPI_HDR_LEN 36
#define ACPI_HDR_CHECKSUM 9

struct aml {
	u8 *data; /* owned; aml_finish() hands it over */
	u32 len, cap;
	int err;  /* 0 or -ENOMEM: further calls do nothing */
};

/* An empty buffer. */
void aml_init(struct aml *a);
/* Frees what aml_finish() did not hand over. */
void aml_fini(struct aml *a);

/* Raw bytes, and little-endian integers of 1, 2, 4 or 8 bytes. */
void aml_bytes(struct aml *a, const void *p, u32 len);
void aml_int(struct aml *a, unsigned size, u64 val);

/* Standard table header (section 5.2.6) with length and checksum still 0; call it first. sig: four characters. */
void aml_table(struct aml *a, const char *sig, u8 revision);
/* Fills in length and checksum of the table and hands the bytes over (free()). -ENOMEM, nothing handed over. */
int aml_finish(struct aml *a, u8 **data, u32 *len) __must_check;

/* Name (name, val): an integer in its shortest encoding (section 20.2.3). */
void aml_name_int(struct aml *a, const char *name, u64 val);
/* Name (name, "str"). */
void aml_name_str(struct aml *a, const char *name, const char *str);

/*
 * Scope (path) { ... } and Device (name) { ... }: what is appended between begin and end is inside. path: "\\" and one segment.
 * begin returns the position that end needs; each body must stay below 256 MiB.
 */
u32 aml_scope_begin(struct aml *a, const char *path);
u32 aml_device_begin(struct aml *a, const char *name);
void aml_end(struct aml *a, u32 begin);

/* Makes the bytes of a table (or an RSDP part) sum to 0 by setting the one at checksum_off. */
void aml_checksum(u8 *data, u32 len, u32 checksum_off);

#endif
