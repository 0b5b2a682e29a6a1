module Data.Ranged.Boundaries where

data Boundary a = BoundaryBelow a | BoundaryAbove a
