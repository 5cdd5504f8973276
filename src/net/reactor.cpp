// SPDX-License-Identifier: Apache-2.0
#include "net/reactor.h"

#include <unistd.h>
#include <cerrno>
#include <system_error>

namespace sluice::net {

Reactor::Reactor() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
}

Reactor::~Reactor() { ::close(epoll_); }

int Reactor::add(int descriptor, std::uint32_t events, EventSource& source) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &source;
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : errno;
}

int Reactor::modify(int descriptor, std::uint32_t events, EventSource& source) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &source;
    return ::epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event) == 0 ? 0 : errno;
}

void Reactor::remove(int descriptor, EventSource& source) {
    epoll_event event{};
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, &event);
    forget(source);
}

void Reactor::forget(EventSource& source) {
    for (int i = next_; i < count_; ++i) {
        epoll_event& event = events_[static_cast<std::size_t>(i)];
        if (event.data.ptr == &source) event.data.ptr = nullptr;
    }
}

void Reactor::wait(int milliseconds) {
    const int count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), milliseconds);
    ++round_;
    count_ = count > 0 ? count : 0;
    for (next_ = 0; next_ < count_;) {
        const epoll_event& event = events_[static_cast<std::size_t>(next_++)];
        if (event.data.ptr) static_cast<EventSource*>(event.data.ptr)->on_ready(event.events);
    }
    count_ = next_ = 0;
}

}  // namespace sluice::net
