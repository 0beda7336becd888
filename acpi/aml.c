/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "acpi/aml.h"

#define OEM_ID "NIDUS "
#define OEM_TABLE_ID "NIDUSX86"
#define CREATOR_ID "NIDU"

/* AML encodings, ACPI 6.4 section 20.2. */
#define AML_NAME_OP 0x08
#define AML_BYTE_PREFIX 0x0a
#define AML_WORD_PREFIX 0x0b
#define AML_DWORD_PREFIX 0x0c
#define AML_STRING_PREFIX 0x0d
#define AML_QWORD_PREFIX 0x0e
#define AML_SCOPE_OP 0x10
#define AML_EXT_OP 0x5b
#define AML_DEVICE_OP 0x82

void aml_init(struct aml *a)
{
	memset(a, 0, sizeof(*a));
}

void aml_fini(struct aml *a)
{
	free(a->data);
	aml_init(a);
}

void aml_bytes(struct aml *a, const void *p, u32 len)
{
	if (a->err)
		return;
	if (len > a->cap - a->len) {
		u32 cap = MAX(a->cap * 2, a->len + len + 256);
		u8 *data = realloc(a->data, cap);

		if (!data) {
			a->err = -ENOMEM;
			return;
		}
		a->data = data;
		a->cap = cap;
	}
	memcpy(a->data + a->len, p, len);
	a->len += len;
}

void aml_int(struct aml *a, unsigned size, u64 val)
{
	u8 b[8];

	put_le(b, size, val);
	aml_bytes(a, b, size);
}

void aml_table(struct aml *a, const char *sig, u8 revision)
{
	aml_bytes(a, sig, 4);
	aml_int(a, 4, 0);
	aml_int(a, 1, revision);
	aml_int(a, 1, 0);
	aml_bytes(a, OEM_ID, 6);
	aml_bytes(a, OEM_TABLE_ID, 8);
	aml_int(a, 4, 1);
	aml_bytes(a, CREATOR_ID, 4);
	aml_int(a, 4, 1);
}

void aml_checksum(u8 *data, u32 len, u32 checksum_off)
{
	u8 sum = 0;

	data[checksum_off] = 0;
	for (u32 i = 0; i < len; i++)
		sum += data[i];
	data[checksum_off] = (u8)-sum;
}

int aml_finish(struct aml *a, u8 **data, u32 *len)
{
	if (a->err)
		return a->err;
	put_le(a->data + 4, 4, a->len);
	aml_checksum(a->data, a->len, ACPI_HDR_CHECKSUM);
	*data = a->data;
	*len = a->len;
	aml_init(a);
	return 0;
}

static void name_seg(struct aml *a, const char *name)
{
	char seg[4];
	size_t n = strnlen(name, sizeof(seg));

	memset(seg, '_', sizeof(seg));
	memcpy(seg, name, n);
	aml_bytes(a, seg, sizeof(seg));
}

static void integer(struct aml *a, u64 val)
{
	if (val <= 1) {
		aml_int(a, 1, val); /* ZeroOp, OneOp */
	} else if (val <= 0xff) {
		aml_int(a, 1, AML_BYTE_PREFIX);
		aml_int(a, 1, val);
	} else if (val <= 0xffff) {
		aml_int(a, 1, AML_WORD_PREFIX);
		aml_int(a, 2, val);
	} else if (val <= 0xffffffff) {
		aml_int(a, 1, AML_DWORD_PREFIX);
		aml_int(a, 4, val);
	} else {
		aml_int(a, 1, AML_QWORD_PREFIX);
		aml_int(a, 8, val);
	}
}

void aml_name_int(struct aml *a, const char *name, u64 val)
{
	aml_int(a, 1, AML_NAME_OP);
	name_seg(a, name);
	integer(a, val);
}

void aml_name_str(struct aml *a, const char *name, const char *str)
{
	aml_int(a, 1, AML_NAME_OP);
	name_seg(a, name);
	aml_int(a, 1, AML_STRING_PREFIX);
	aml_bytes(a, str, (u32)strlen(str) + 1);
}

/* One byte kept for the length; aml_end() makes room where it needs more. */
static u32 pkg_begin(struct aml *a)
{
	u32 pos = a->len;

	aml_int(a, 1, 0);
	return pos;
}

u32 aml_scope_begin(struct aml *a, const char *path)
{
	u32 pos;

	aml_int(a, 1, AML_SCOPE_OP);
	pos = pkg_begin(a);
	if (*path == '\\')
		aml_bytes(a, path++, 1);
	name_seg(a, path);
	return pos;
}

u32 aml_device_begin(struct aml *a, const char *name)
{
	u32 pos;

	aml_int(a, 1, AML_EXT_OP);
	aml_int(a, 1, AML_DEVICE_OP);
	pos = pkg_begin(a);
	name_seg(a, name);
	return pos;
}

/* The shortest form (section 20.2.4): one byte up to 63, else 12, 20 or 28 bits whose lowest four are in the first byte. */
void aml_end(struct aml *a, u32 begin)
{
	u32 body = a->len - begin - 1, len;
	unsigned more = 0;

	if (body + 1 > 0x3f)
		more = body + 2 <= 0xfff ? 1 : body + 3 <= 0xfffff ? 2 : 3;
	aml_int(a, more, 0);
	if (a->err)
		return;
	memmove(a->data + begin + 1 + more, a->data + begin + 1, body);
	len = body + 1 + more;
	if (more) {
		a->data[begin] = (u8)(more << 6 | (len & 0xf));
		put_le(a->data + begin + 1, more, len >> 4);
	} else {
		a->data[begin] = (u8)len;
	}
}
