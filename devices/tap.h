/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap interface of the host, opened once per queue pair. Frames carry a virtio_net_hdr of TAP_HDR_LEN bytes; descriptors do not block.
 *
 * One that did not exist is made and vanishes with tap_close(); one that was down is set up, and down again at the end.
 */
#ifndef NIDUS_TAP_H
#define NIDUS_TAP_H

#include <net/if.h>

#include "vmm/bits.h"

struct net_cfg;

#define TAP_MAX_QUEUES 16
#define TAP_HDR_LEN 12

struct tap {
	char name[IFNAMSIZ];
	int fd[TAP_MAX_QUEUES];
	unsigned n;
	bool multi;      /* queues can be switched on and off */
	bool ufo;        /* UDP fragmentation offload can be had */
	bool was_down;   /* set up by us */
	unsigned offload; /* what tap_set_offload() set last */
	unsigned mtu;
};

/*
 * Opens cfg->tap with that many queues (1 to TAP_MAX_QUEUES), the first switched on. 0, or an exit status after one log_error line; nothing is left
 * then. A descriptor of cfg is taken over.
 */
int tap_open(const struct net_cfg *cfg, unsigned queues, struct tap *t) __must_check;
/* On a struct with n = 0 it does nothing. */
void tap_close(struct tap *t);

/* What the guest takes from the host: TUN_F_* of <linux/if_tun.h>. 0 or -errno. */
int tap_set_offload(struct tap *t, unsigned flags);
/* Frames go to queue i, or do not. Without several queues: nothing. 0 or -errno. */
int tap_set_queue(struct tap *t, unsigned i, bool on);

#endif
