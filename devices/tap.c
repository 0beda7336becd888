/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/tap.h"
#include "vmm/config.h"
#include "vmm/log.h"

#define NODE "/dev/net/tun"
#define DEFAULT_MTU 1500

static int fail_node(int err)
{
	if (err == ENOENT || err == ENXIO || err == ENODEV)
		log_error("--net: this host has no " NODE ": modprobe tun");
	else if (err == EACCES || err == EPERM)
		log_error("--net: no permission for " NODE ": its mode is usually 0666, else run as root");
	else
		log_error("--net: " NODE ": %s", strerror(err));
	return EXIT_HOST;
}

static int fail_attach(const char *name, unsigned queues, int err)
{
	bool exists = if_nametoindex(name) != 0;

	switch (err) {
	case EPERM:
	case EACCES:
		if (exists)
			log_error("--net tap=%s: no permission: give it to this user (ip tuntap add %s mode tap user NAME), or CAP_NET_ADMIN to nidus", name, name);
		else
			log_error("--net tap=%s: there is no such tap, and making one needs CAP_NET_ADMIN: ip tuntap add %s mode tap user NAME", name, name);
		return exists ? EXIT_HOST : EXIT_NOINPUT;
	case EBUSY:
		log_error("--net tap=%s: in use by another program", name);
		return EXIT_NOINPUT;
	case EINVAL:
	case EEXIST:
		if (queues > 1)
			log_error("--net tap=%s: not a tap with several queues: make it with multi_queue (ip tuntap add %s mode tap multi_queue)", name, name);
		else
			log_error("--net tap=%s: not a tap interface", name);
		return EXIT_NOINPUT;
	}
	log_error("--net tap=%s: %s", name, strerror(err));
	return EXIT_HOST;
}

/* One more queue. 0 or -errno; the descriptor is in t then. */
static int attach(struct tap *t, unsigned flags)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags) };
	int fd = open(NODE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	t->fd[t->n++] = fd;
	return 0;
}

static int open_by_name(const struct net_cfg *cfg, unsigned queues, struct tap *t)
{
	int err;

	if (!*cfg->tap.path || strlen(cfg->tap.path) >= sizeof(t->name) || strpbrk(cfg->tap.path, "/%")) {
		log_error("--net tap=%s: not a name of an interface: 1 to %zu characters, no '/' or '%%'", cfg->tap.path, sizeof(t->name) - 1);
		return EXIT_USAGE;
	}
	snprintf(t->name, sizeof(t->name), "%s", cfg->tap.path);
	if (access(NODE, F_OK) < 0)
		return fail_node(errno);
	t->multi = queues > 1;
	err = attach(t, t->multi ? IFF_MULTI_QUEUE : 0);
	if (err == -EINVAL && !t->multi) {
		/* One that was made for several queues serves with one too. */
		err = attach(t, IFF_MULTI_QUEUE);
	}
	while (!err && t->n < queues)
		err = attach(t, IFF_MULTI_QUEUE);
	return err ? fail_attach(t->name, queues, -err) : 0;
}

static int take_fd(const struct net_cfg *cfg, unsigned queues, struct tap *t)
{
	struct ifreq ifr = { 0 };
	int flags;

	if (queues > 1) {
		log_error("--net tap=%s: an inherited descriptor is one queue: leave queues=%u out", cfg->tap.path, queues);
		return EXIT_USAGE;
	}
	if (ioctl(cfg->tap.fd, TUNGETIFF, &ifr) < 0) {
		log_error("--net tap=%s: not the descriptor of a tap: open " NODE " and attach it with TUNSETIFF", cfg->tap.path);
		return EXIT_NOINPUT;
	}
	if ((ifr.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) != (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) {
		log_error("--net tap=%s: must be attached with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR", cfg->tap.path);
		return EXIT_NOINPUT;
	}
	memcpy(t->name, ifr.ifr_name, sizeof(t->name));
	t->name[sizeof(t->name) - 1] = 0;
	t->fd[t->n++] = cfg->tap.fd;
	flags = fcntl(cfg->tap.fd, F_GETFL);
	if (flags < 0 || fcntl(cfg->tap.fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(cfg->tap.fd, F_SETFD, FD_CLOEXEC) < 0) {
		log_error("--net tap=%s: %s", cfg->tap.path, strerror(errno));
		return EXIT_HOST;
	}
	return 0;
}

/* Interface flags need a socket. Without permission an interface that is down stays so: somebody else may set it up later. */
static void set_up(struct tap *t)
{
	struct ifreq ifr = { 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	t->mtu = DEFAULT_MTU;
	if (s < 0)
		return;
	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	if (ioctl(s, SIOCGIFMTU, &ifr) == 0 && ifr.ifr_mtu > 0)
		t->mtu = (unsigned)ifr.ifr_mtu;
	if (ioctl(s, SIOCGIFFLAGS, &ifr) == 0 && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		t->was_down = ioctl(s, SIOCSIFFLAGS, &ifr) == 0;
		if (!t->was_down)
			log_warn("--net tap=%s: the interface is down (ip link set %s up)", t->name, t->name);
	}
	close(s);
}

static void set_down(const struct tap *t)
{
	struct ifreq ifr = { 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0)
		return;
	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	if (ioctl(s, SIOCGIFFLAGS, &ifr) == 0) {
		ifr.ifr_flags = (short)(ifr.ifr_flags & ~IFF_UP);
		(void)ioctl(s, SIOCSIFFLAGS, &ifr);
	}
	close(s);
}

int tap_set_offload(struct tap *t, unsigned flags)
{
	if (flags == t->offload)
		return 0;
	if (ioctl(t->fd[0], TUNSETOFFLOAD, (unsigned long)flags) < 0)
		return -errno;
	t->offload = flags;
	return 0;
}

int tap_set_queue(struct tap *t, unsigned i, bool on)
{
	struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	if (!t->multi)
		return 0;
	/* EINVAL: it is so already. */
	return ioctl(t->fd[i], TUNSETQUEUE, &ifr) < 0 && errno != EINVAL ? -errno : 0;
}

static int configure(struct tap *t)
{
	int len = TAP_HDR_LEN;

	for (unsigned i = 0; i < t->n; i++) {
		if (ioctl(t->fd[i], TUNSETVNETHDRSZ, &len) < 0)
			return -errno;
		if (i && tap_set_queue(t, i, false))
			return -errno;
	}
	/* Also makes sure that it is 0 in the end: a tap keeps what its last user set. */
	t->ufo = tap_set_offload(t, TUN_F_CSUM | TUN_F_UFO) == 0;
	t->offload = TUN_F_CSUM;
	return tap_set_offload(t, 0);
}

int tap_open(const struct net_cfg *cfg, unsigned queues, struct tap *t)
{
	int status, err;

	*t = (struct tap){ 0 };
	status = cfg->tap.fd >= 0 ? take_fd(cfg, queues, t) : open_by_name(cfg, queues, t);
	if (!status) {
		err = configure(t);
		if (!err) {
			set_up(t);
			return 0;
		}
		log_error("--net tap=%s: %s", t->name, strerror(-err));
		status = EXIT_HOST;
	}
	tap_close(t);
	return status;
}

void tap_close(struct tap *t)
{
	if (t->was_down)
		set_down(t);
	for (unsigned i = 0; i < t->n; i++)
		close(t->fd[i]);
	*t = (struct tap){ 0 };
}
