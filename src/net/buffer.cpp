// SPDX-License-Identifier: Apache-2.0
#include "net/buffer.h"

namespace sluice::net {

BufferPool::~BufferPool() {
    for (const Class* of_size : {&small_, &large_})
        for (const char* data : of_size->free) delete[] data;
}

Buffer BufferPool::borrow(BufferSize size_class) {
    Class& of_size = of(size_class);
    ++lent_;
    if (of_size.free.empty()) return {new char[of_size.size], this, size_class};
    char* data = of_size.free.back();
    of_size.free.pop_back();
    return {data, this, size_class};
}

void BufferPool::give_back(char* data, BufferSize size_class) {
    Class& of_size = of(size_class);
    --lent_;
    if (of_size.free.size() < of_size.kept) of_size.free.push_back(data);
    else delete[] data;
}

void Buffer::release() {
    if (data_) pool_->give_back(std::exchange(data_, nullptr), size_class_);
}

}  // namespace sluice::net
