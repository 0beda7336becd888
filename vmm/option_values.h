/* SPDX-License-Identifier: Apache-2.0 */
/* Values as they are typed: numbers, sizes, ids, MAC addresses. Pure; on failure the output is unspecified. */
#ifndef NIDUS_OPTION_VALUES_H
#define NIDUS_OPTION_VALUES_H

#include "vmm/bits.h"

/* Decimal digits and nothing else, up to 64 bits. */
bool option_parse_number(const char *s, u64 *out) __must_check;
/* A number of K, M or G, or without one of MiB -> bytes. */
bool option_parse_size(const char *s, u64 *out) __must_check;
/* The largest unit without remainder; v is a multiple of 1 KiB. */
void option_format_size(u64 v, char *buf, size_t len);
/* 1 to 32 of A-Z a-z 0-9 . _ - */
bool option_valid_id(const char *s);
/* Six bytes in hexadecimal with colons; not zero, and no group address. */
bool option_parse_mac(const char *s, u8 mac[6]) __must_check;

#endif
