# install and uninstall work from the same list: source:target folder:mode
INSTALL_LIST := \
	$(O)/xdp-ipsec:$(PREFIX)/sbin:755 \
	$(O)/xdp-ipsecd:$(PREFIX)/sbin:755 \
	$(O)/xdp-iked:$(PREFIX)/sbin:755 \
	user/cli/xdp-ipsec.8:$(PREFIX)/share/man/man8:644 \
	user/worker/xdp-ipsecd.8:$(PREFIX)/share/man/man8:644 \
	ike/daemon/xdp-iked.8:$(PREFIX)/share/man/man8:644 \
	packaging/xdp-ipsecd.service:/lib/systemd/system:644 \
	packaging/xdp-iked.service:/lib/systemd/system:644

field = $(word $(1),$(subst :, ,$(2)))
target = $(DESTDIR)$(call field,2,$(1))/$(notdir $(call field,1,$(1)))
install: programs
	$(Q)$(foreach f,$(INSTALL_LIST),install -D -m $(call field,3,$(f)) $(call field,1,$(f)) $(call target,$(f)) &&) true
	$(Q)[ -n '$(DESTDIR)' ] || getent passwd xdp-iked >/dev/null || useradd --system --no-create-home --shell /usr/sbin/nologin xdp-iked
uninstall:
	$(Q)rm -f $(foreach f,$(INSTALL_LIST),$(call target,$(f)))
