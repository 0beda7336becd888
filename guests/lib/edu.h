/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's "edu" device (1234:11e8, dma_mask=0xffffffffffffffff), assigned to the guest below a root port: copies between a 4 KiB buffer of its
 * own and any bus address, about a tenth of a second after it is told to. It has no reset: its registers outlive a guest's.
 *
 * Thread rule: one CPU at a time.
 */
#ifndef NIDUS_GUEST_EDU_H
#define NIDUS_GUEST_EDU_H

#include "guests/lib/guest.h"

struct edu {
	u16 bdf, port; /* the function, the root port above it */
	u64 bar;
};

/* The first one below a root port; memory space on, bus mastering as it is. Fails if there is none. */
void edu_find(struct edu *e);
void edu_master(const struct edu *e, bool on);

/* Memory at bus address `at` into the buffer, or the buffer to there; returns when the device says that it is over, landed or not. len up to 4096. */
void edu_load(const struct edu *e, u64 at, u32 len);
void edu_store(const struct edu *e, u64 at, u32 len);
/* Only starts a store. edu_busy(): it is not over. */
void edu_store_start(const struct edu *e, u64 at, u32 len);
bool edu_busy(const struct edu *e);

/* A register that keeps what is written until the host resets the device. */
u32 edu_scratch(const struct edu *e);
void edu_set_scratch(const struct edu *e, u32 val);

#endif
