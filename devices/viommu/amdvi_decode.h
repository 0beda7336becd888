/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AMD-Vi's in-memory structures mean: bytes in, meaning out. Pure functions without state, total for every input.
 * Entries are given as host-endian quadwords that were fetched once.
 */
#ifndef NIDUS_AMDVI_DECODE_H
#define NIDUS_AMDVI_DECODE_H

#include "devices/viommu/s1.h"

/* What the unit offers; decides which entries are legal. */
struct amdvi_caps {
	u64 efr, efr2;
	u8 haw; /* guest physical address width */
};

/* EFR and EFR2 for what the backend can do. */
void amdvi_caps_from(const struct s1_caps *s1, u8 haw, struct amdvi_caps *out);

/* Why a device is blocked: s1_config.reason. The specification has no numbers of its own for most of these. */
enum amdvi_why {
	AMDVI_WHY_NONE,
	AMDVI_WHY_TABLE_LEN,    /* no entry: its id is beyond the device table */
	AMDVI_WHY_TABLE_ACCESS, /* the entry is not in RAM */
	AMDVI_WHY_UNSTABLE,     /* the entry keeps changing while it is read */
	AMDVI_WHY_RSVD,         /* reserved bits, or bits of what is not offered */
	AMDVI_WHY_TV,           /* V without TV: the guest wants no DMA */
	AMDVI_WHY_V1,           /* a host (v1) page table */
	AMDVI_WHY_NO_ACCESS,    /* IR and IW both 0: the guest wants no DMA */
	AMDVI_WHY_ONE_WAY,      /* IR or IW, where hardware can only have both */
	AMDVI_WHY_GUEST,        /* guest translation that is not possible here */
	AMDVI_WHY_PASID,        /* a PASID that the GCR3 table has no place for */
	AMDVI_WHY_GCR3_ACCESS,  /* the GCR3 table is not in RAM */
	AMDVI_WHY_GCR3_V,       /* its entry is not valid */
	AMDVI_WHY_REFUSED,      /* by the host */
	AMDVI_WHYS
};

/* A device table entry. */
struct amdvi_dte {
	bool guest;      /* GV: gcr3, glx, levels, giov are valid */
	bool giov;       /* requests without PASID use PASID 0's table, else they pass */
	u8 deny;         /* DMA_READ, DMA_WRITE that are not allowed; never both */
	u8 glx;          /* levels of GCR3 tables, less one: 0 to 2 */
	u8 levels;       /* of page tables: 4 or 5 */
	bool untagged;   /* V=0: nothing names its translations */
	bool quiet;      /* SA: no page fault events */
	u16 domid;
	gpa_t gcr3;
	u64 host[4];     /* guest: what a host may be given, made of nothing but the fields above */
};

/* gten: Control.GTEn. one_way: IR != IW can be served. AMDVI_WHY_NONE and *out, or why the device is blocked. */
enum amdvi_why amdvi_decode_dte(const struct amdvi_caps *c, bool gten, bool one_way, const u64 dte[4], struct amdvi_dte *out);

/* The index into the table of level (glx first, then down to 0) for a PASID; false: the tables have no place for it. */
bool amdvi_gcr3_index(u8 glx, unsigned level, u32 pasid, unsigned *index);

/* True if the guest's entry is wrong, as opposed to one that says "no DMA". */
bool amdvi_why_malformed(enum amdvi_why why);
/* In words, for log lines. */
const char *amdvi_why_name(enum amdvi_why why);

/* The event for a fault, as the log has it; false: none. */
bool amdvi_event_of(const struct s1_fault *f, u64 event[2]);

enum amdvi_cmd_kind {
	AMDVI_CMD_WAIT,
	AMDVI_CMD_DEVTAB,  /* read the entry of sid again */
	AMDVI_CMD_PAGES,   /* s1 */
	AMDVI_CMD_ALL,     /* everything */
	AMDVI_CMD_NOTHING, /* legal, and nothing to do here */
};

struct amdvi_cmd {
	enum amdvi_cmd_kind kind;
	u16 sid;
	struct s1_inv s1;
	bool store, interrupt;
	gpa_t addr;
	u64 data;
};

/* False: illegal opcode or reserved bits. */
bool amdvi_decode_cmd(const u64 qw[2], struct amdvi_cmd *out);

#endif
