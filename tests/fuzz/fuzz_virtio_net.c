/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a hostile driver to a NIC in user space, see chains_fuzz.h; the host's side sends frames. A pair of sockets is the tap. */
#include "tests/fuzz/chains_fuzz.h"

#include <sys/socket.h>

#include "devices/tap.h"
#include "vmm/config.h"
#include "vmm/log.h"

static struct drv d;
static int peer = -1;

static void host(const uint8_t *buf, unsigned len)
{
	u8 sink[4096];

	while (recv(peer, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
	(void)!send(peer, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Without offloads: the sockets have none to set. */
	static const struct chains_cfg cfg = { .queues = 3, .features = BIT(17) | BIT(5), .host = host };
	const struct net_cfg c = { .tap.fd = -1, .pps = 1000000000 };
	struct tap tap = { .name = "t", .n = 1, .mtu = 1500 };
	int sv[2];

	if (!d.mem) {
		log_set_level(LOG_ERROR);
		drv_open(&d);
		drv_must(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sv), "sockets");
		tap.fd[0] = sv[0];
		peer = sv[1];
		drv_must(!virtio_net_create_on(&d.ctx, &c, &tap), "device");
		drv_attach(&d);
	}
	chains_run(&d, &cfg, data, size);
	return 0;
}
