/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What VT-d's in-memory structures mean: bytes in, meaning out. Pure functions without state, total for every input.
 * Entries are given as host-endian quadwords that were fetched once.
 */
#ifndef NIDUS_VTD_DECODE_H
#define NIDUS_VTD_DECODE_H

#include "devices/viommu/s1.h"

/* What the unit offers; decides which bits are reserved. */
struct vtd_caps {
	u64 cap, ecap;
	u8 haw; /* guest physical address width: higher address bits are reserved */
};

/* CAP and ECAP for what the backend can do. */
void vtd_caps_from(const struct s1_caps *s1, u8 haw, struct vtd_caps *out);

/*
 * A fault reason (FR_*, vtd_regs.h), or 0 and the outputs. *fpd is set (never cleared) by an entry whose faults are not to be recorded.
 */
u8 vtd_decode_root(const struct vtd_caps *c, u64 qw, gpa_t *ctx_table);

struct vtd_ctx {
	gpa_t dir;
	u32 max_pasid; /* first PASID beyond the directory */
	bool pasid_enabled;
};
/* The same of a context entry, and of one of the PASID directory. */
u8 vtd_decode_ctx(const struct vtd_caps *c, const u64 qw[4], struct vtd_ctx *out, bool *fpd);
u8 vtd_decode_dir(const struct vtd_caps *c, u64 qw, gpa_t *pasid_table, bool *fpd);
/* cfg gets kind, tag and table; on a fault it is untouched. */
u8 vtd_decode_pe(const struct vtd_caps *c, const u64 qw[8], struct s1_config *cfg, bool *fpd);

/* True if faults with this reason are recorded even where FPD is set (7.1.3: unqualified). */
bool vtd_reason_unqualified(u8 reason);
/* The reason of a first-stage fault; 0 for S1_FAULT_NONE and S1_FAULT_CONFIG. */
u8 vtd_reason_of(enum s1_fault_kind kind);
/* In words, for log lines. */
const char *vtd_reason_name(u8 reason);

enum vtd_inv_kind {
	VTD_INV_CONTEXT, /* re-read context entries: sid under sid_mask */
	VTD_INV_PASID,   /* re-read PASID entries: pasid, or all of them */
	VTD_INV_TLB,     /* s1 */
	VTD_INV_WAIT,
	VTD_INV_NOTHING, /* legal, and nothing to do here */
};

struct vtd_inv {
	enum vtd_inv_kind kind;
	struct s1_inv s1;
	u16 sid, sid_mask; /* a device matches if (its sid ^ sid) & sid_mask is 0 */
	bool all_pasids;
	u32 pasid;
	bool status_write, interrupt;
	gpa_t status_addr;
	u32 status_data;
};

/* qw: four quadwords of a 256-bit descriptor (dw), or two of a 128-bit one. 0 and *out, or the IQEI_* code. */
u8 vtd_decode_inv(const u64 *qw, bool dw, struct vtd_inv *out);

#endif
