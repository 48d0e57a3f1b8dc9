// Package demo is the demonstration: the real daemon against a simulated
// tenant, with a scripted administrator and a place where the messages that
// would go to Slack, Teams and a webhook can be looked at.
//
// It is assembly, like package app, and the only package of the product that
// knows the simulator.
package demo
